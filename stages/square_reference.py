"""Use a reference picture that the source gives."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from datagen import Answer, Map, Record, StageConfig
from datagen.imaging.geometry import on_square
from datagen.imaging.image import Image

_WHITE = 255


class SquareReference(Map):
    """Put a reference picture that is a file of its own into the middle of a white square.

    The result has the form of what `cut_out_subject` writes: at most `max_size`, and never enlarged.
    """

    reads = ("reference",)
    writes = ("refs",)
    version = 1

    class Config(StageConfig):
        """How the reference looks."""

        margin: float = Field(default=0, ge=0, le=1)
        """Room left on each side, as a share of the picture's longer side."""
        max_size: int = Field(default=512, ge=16, le=4096)
        """Longest side of the square, in pixels."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Bring each picture to a square."""
        return [{"refs": [self._squared(record["reference"])]} for record in batch]

    def _squared(self, image: Image) -> Image:
        every_HW = np.ones(image.array.shape[:2], np.bool_)
        square_HWC = on_square(image.array, every_HW, level=_WHITE, margin=self.config.margin)
        side = min(square_HWC.shape[0], self.config.max_size)
        if side < square_HWC.shape[0]:
            small_HWC = cv2.resize(square_HWC, (side, side), interpolation=cv2.INTER_AREA)
            square_HWC = small_HWC.astype(np.uint8, copy=False)
        return Image.of(square_HWC)
