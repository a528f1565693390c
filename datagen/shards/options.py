"""The `output:` options of a config: how samples are stored, deduplicated, split and packed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from datagen.core.fields import Format
from datagen.core.options import Options


class ImageOptions(Options):
    """How pictures are stored."""

    format: Format = "png"
    """One format for all pictures of a dataset; png is lossless, jpg and webp change pixels outside an edit too."""
    quality: int = Field(default=95, ge=1, le=100)
    """Of jpg and webp."""
    keep_originals: bool = False
    """Keep an original's own jpg or webp bytes; then the codec tells which picture of a pair was made."""


Within = dict[str, Annotated[int, Field(ge=0)]]
"""By field with a hash, the bits in which two may differ."""


class NearOptions(Options):
    """Of samples that are near each other one stays, the others are rejected as `pack/near_duplicate`."""

    any_of: tuple[Annotated[Within, Field(min_length=1)], ...] = Field(min_length=1)
    """Two samples are near if all the hashes of one of these differ in at most so many bits:
    [{source_hash: 24, target_hash: 24}]. Samples without one of its fields are near to none by it."""
    same: tuple[str, ...] = ("task", "label")
    """Fields in which they have to be equal besides."""
    keep: str = ""
    """Score of which the highest stays; without it, and between equals, what comes first in the source."""


class OutputOptions(Options):
    """The `output:` of a config."""

    images: ImageOptions = ImageOptions()
    """How pictures are stored."""
    val_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Share of the sources that goes to the validation split; none is in both. Unread ones are told by address."""
    shard_mb: float = Field(default=256, gt=0)
    """Target size of a shard in MB."""
    near_duplicates: NearOptions | None = None
    """What counts as the same sample once more though its bytes are others; only exact duplicates, if not given."""
    one_split: Within = {}
    """Samples of which any one of these hashes differs in at most so many bits are never in different splits."""

    split_from: str = ""
    """Field that says `train` or `val` of each sample, in the place of a draw; a source that has both is train."""
    together: tuple[str, ...] = ()
    """Fields, such as `session`, of which samples with an equal value, '' aside, are never in different splits."""

    @property
    def compared(self) -> tuple[str, ...]:
        """The fields whose hashes packing compares."""
        rules = (*(self.near_duplicates.any_of if self.near_duplicates else ()), self.one_split)
        return tuple(dict.fromkeys(field for rule in rules for field in rule))
