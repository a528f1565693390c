"""Cut the subject out as a reference picture."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Failed, Map, Record, StageConfig
from datagen.imaging.geometry import on_square
from datagen.imaging.image import Image

_LEVELS = {"white": 255, "black": 0}


class CutOutSubject(Map):
    """Cut the subject out onto a plain square, as the reference picture.

    MIGE scales it to 224 x 224 on white. Here it keeps its size, up to `max_size`, and is never enlarged. A mask that
    is empty or of another size than the picture fails the record.
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
        config = self.config
        square_HWC = on_square(image.array, mask_HW, level=_LEVELS[config.background], margin=config.margin)
        side = square_HWC.shape[0]
        if side > config.max_size:
            size = (config.max_size, config.max_size)
            square_HWC = cv2.resize(square_HWC, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        return {"refs": [Image.of(square_HWC)]}
