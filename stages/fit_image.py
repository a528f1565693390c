"""Resize a picture to a size that image models work at."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig
from datagen.imaging.geometry import fitted, resized
from datagen.imaging.image import Image


class FitImage(Map):
    """Resize the picture to a size that image models work at, so that their result needs no resizing.

    Width times height becomes about `pixels`, and both sides become multiples of `multiple`, which may stretch the
    picture by less than that many pixels. A picture of such a size stays as it is. Rejects as `too_small` a picture
    that would be enlarged more than `max_enlarged` times.
    """

    reads = ("image",)
    writes = ("source",)
    rejects = ("too_small",)
    version = 1

    class Config(StageConfig):
        """The size."""

        pixels: int = Field(default=1024 * 1024, ge=64 * 64)
        """Width times height, about."""
        multiple: int = Field(default=16, ge=1, le=128)
        """Both sides become multiples of it."""
        max_enlarged: float = Field(default=1.5, ge=1, le=16)
        """How many times a side may be enlarged."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Fit each picture."""
        return [self._fitted(record["image"]) for record in batch]

    def _fitted(self, image: Image) -> Answer:
        size = fitted(image.size, pixels=self.config.pixels, multiple=self.config.multiple)
        if size == image.size:
            return {"source": image}
        enlarged = size[0] * size[1] / (image.size[0] * image.size[1])
        # `enlarged` is of areas, the option of sides
        if enlarged > self.config.max_enlarged**2:
            return Reject("too_small", f"{image.size[0]}x{image.size[1]} would become {size[0]}x{size[1]}")
        return {"source": Image.of(resized(image.array, size))}
