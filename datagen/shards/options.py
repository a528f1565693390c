"""How samples are stored, split and packed."""

from __future__ import annotations

from pydantic import Field

from datagen.fields import Format
from datagen.options import Options


class ImageOptions(Options):
    """How pictures are stored."""

    format: Format = "png"
    """One format for all pictures of a dataset; png is lossless, jpg and webp change pixels outside an edit too."""
    quality: int = Field(default=95, ge=1, le=100)
    """Of jpg and webp."""
    keep_originals: bool = False
    """Keep an original's own jpg or webp bytes; then the codec tells which picture of a pair was made."""


class OutputOptions(Options):
    """The `output:` of a config."""

    images: ImageOptions = ImageOptions()
    """How pictures are stored."""
    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the sources that goes to the validation split; no source is in both."""
    shard_mb: float = Field(default=256, gt=0)
    """Target size of a shard in MB."""
