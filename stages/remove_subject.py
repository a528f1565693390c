"""Paint the subject out of its picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.geometry import dilate
from datagen.image import Image, Pixels
from datagen.models.inpainter import InpainterConfig, PatchConfig


class RemoveSubject(Map):
    """Write the picture as it would be without the subject, and the pixels painted for it.

    `masks` are the hole, in which alone the two pictures may differ, and the subject's own pixels.
    The mask is grown by `dilate_px` with an elliptic kernel of 2 * dilate_px + 1
    pixels, as in MIGE's code. Pixels outside the hole equal the original's exactly.
    """

    reads = ("image", "mask")
    writes = ("source", "hole", "masks")
    rejects = ("no_background",)
    version = 1

    class Config(StageConfig):
        """How the subject is removed."""

        inpainter: InpainterConfig = Field(default=PatchConfig())
        """The model that paints."""
        dilate_px: int = Field(default=20, ge=0, le=500)
        """By how much the mask grows on every side, in pixels of the picture; MIGE has 20."""
        long_side: int | None = Field(default=720, ge=64)
        """Larger pictures are inpainted at this size; MIGE has 720. null: at their own size."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the inpainter."""
        self.inpainter = self.config.inpainter.load(device)

    def process(self, batch: list[Record]) -> list[Answer]:
        """Remove each subject."""
        return [self._remove(record["image"], record["mask"]) for record in batch]

    def _remove(self, image: Image, mask_HW: NDArray[np.bool_]) -> Answer:
        if mask_HW.shape != image.array.shape[:2]:
            return Failed("the mask is {1}x{0}, the picture {2}x{3}".format(*mask_HW.shape, *image.size))
        hole_HW = dilate(mask_HW, self.config.dilate_px)
        if hole_HW.all():
            return Reject("no_background", "the grown mask covers the whole picture")
        filled_HWC = self._filled(image.array, hole_HW)
        source = Image.of(np.where(hole_HW[..., None], filled_HWC, image.array))
        return {"source": source, "hole": hole_HW, "masks": [hole_HW, mask_HW]}

    def _filled(self, image_HWC: Pixels, hole_HW: NDArray[np.bool_]) -> Pixels:
        height, width = hole_HW.shape
        scale = (self.config.long_side or max(height, width)) / max(height, width)
        if scale >= 1:
            return self.inpainter([image_HWC], [hole_HW])[0]
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small_HWC = cv2.resize(image_HWC, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        touched = cv2.resize(hole_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        filled_HWC = self.inpainter([small_HWC], [touched])[0]
        return cv2.resize(filled_HWC, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.uint8, copy=False)
