"""Cut the subject out as a reference picture."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Failed, Map, Record, StageConfig
from datagen.geometry import bounds
from datagen.image import Image, Pixels

_LEVELS = {"white": 255, "black": 0}


class CutOutSubject(Map):
    """Write the subject alone on a plain square, as the edit's reference picture.

    MIGE puts it on white at 224 x 224; here it is kept as large as it is, up to
    `max_size`, and never enlarged.
    """

    reads = ("image", "mask")
    writes = ("refs",)
    rejects = ()
    version = 1

    class Config(StageConfig):
        """How the reference looks."""

        background: Literal["white", "black"] = "white"
        """What surrounds the subject; MIGE trains on white and benchmarks on both."""
        margin: float = Field(default=0.05, ge=0, le=1)
        """Room left on each side, as a share of the subject's longer side."""
        max_size: int = Field(default=512, ge=16, le=4096)
        """Longest side of the square, in pixels."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Cut each subject out."""
        return [self._cut(record["image"], record["mask"]) for record in batch]

    def _cut(self, image: Image, mask_HW: NDArray[np.bool_]) -> Answer:
        if mask_HW.shape != image.array.shape[:2]:
            return Failed("the mask is {1}x{0}, the picture {2}x{3}".format(*mask_HW.shape, *image.size))
        if not mask_HW.any():
            return Failed("the mask is empty, there is no subject to cut out")
        square_HWC = self._square(image.array, mask_HW)
        side = square_HWC.shape[0]
        if side > self.config.max_size:
            size = (self.config.max_size, self.config.max_size)
            square_HWC = cv2.resize(square_HWC, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return {"refs": [Image.of(square_HWC)]}

    def _square(self, image_HWC: Pixels, mask_HW: NDArray[np.bool_]) -> Pixels:
        x0, y0, x1, y1 = bounds(mask_HW)
        width, height = x1 - x0, y1 - y0
        side = max(width, height) + 2 * round(max(width, height) * self.config.margin)
        top, left = (side - height) // 2, (side - width) // 2
        square_HWC = np.full((side, side, 3), _LEVELS[self.config.background], np.uint8)
        inside = mask_HW[y0:y1, x0:x1]
        square_HWC[top : top + height, left : left + width][inside] = image_HWC[y0:y1, x0:x1][inside]
        return square_HWC
