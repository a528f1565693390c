"""Paint the subject out of its picture."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from pydantic import Field

from datagen import Answer, Failed, Map, Record, Reject, StageConfig
from datagen.imaging.geometry import dilate
from datagen.imaging.image import Image, Mask, Pixels
from datagen.models.inpainters import InpainterConfig
from datagen.models.inpainters.patch import PatchConfig


class RemoveSubject(Map):
    """Paint the subject out of the picture; the result is the edit's source.

    The original photograph becomes the target (`map: {image: target}`), so that putting the subject back is the edit.

    The hole is the mask grown by `dilate_px` with an elliptic kernel of 2 * dilate_px + 1 pixels, as in MIGE's code.
    Pixels outside the hole equal the original's exactly. `masks[0]` is the hole, where alone the two pictures may
    differ; `masks[1]` is the subject's own pixels. Rejects as `no_background` a hole that covers the whole picture.
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
        """Remove each subject; those of a batch are painted together."""
        holes = [self._hole(record["image"], record["mask"]) for record in batch]
        jobs = [(record, hole) for record, hole in zip(batch, holes, strict=True) if isinstance(hole, np.ndarray)]
        removed = self._removed(jobs)
        return [next(removed) if isinstance(hole, np.ndarray) else hole for hole in holes]

    def _hole(self, image: Image, mask_HW: Mask) -> Mask | Reject | Failed:
        if mask_HW.shape != image.array.shape[:2]:
            return Failed("the mask is {1}x{0}, the picture {2}x{3}".format(*mask_HW.shape, *image.size))
        hole_HW = dilate(mask_HW, self.config.dilate_px)
        if hole_HW.all():
            return Reject("no_background", "the grown mask covers the whole picture")
        return hole_HW

    def _removed(self, jobs: list[tuple[Record, Mask]]) -> Iterator[Answer]:
        shown = [self._shown(record["image"].array, hole_HW) for record, hole_HW in jobs]
        filled = self.inpainter(
            [image_HWC for image_HWC, _ in shown],
            [hole_HW for _, hole_HW in shown],
            # a seed of each record's own: how records are batched changes no picture
            seeds=[int(self.rng(record).integers(2**63)) for record, _ in jobs],
        )
        for (record, hole_HW), filled_HWC in zip(jobs, filled, strict=True):
            image_HWC = record["image"].array
            whole_HWC = _resized(filled_HWC, record["image"].size, cv2.INTER_CUBIC)
            # the original outside the hole, whatever the model changed there
            source = Image.of(np.where(hole_HW[..., None], whole_HWC, image_HWC))
            yield {"source": source, "hole": hole_HW, "masks": [hole_HW, record["mask"]]}

    def _shown(self, image_HWC: Pixels, hole_HW: Mask) -> tuple[Pixels, Mask]:
        """Picture and hole at the size at which they are inpainted. A pixel that the hole touches is in the hole."""
        height, width = hole_HW.shape
        scale = (self.config.long_side or max(height, width)) / max(height, width)
        if scale >= 1:
            return image_HWC, hole_HW
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        # INTER_AREA averages, so that every pixel that the hole touches is above 0
        touched_HW = cv2.resize(hole_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        return _resized(image_HWC, size, cv2.INTER_AREA), touched_HW


def _resized(image_HWC: Pixels, size: tuple[int, int], method: int) -> Pixels:
    if size == (image_HWC.shape[1], image_HWC.shape[0]):
        return image_HWC
    return cv2.resize(image_HWC, size, interpolation=method).astype(np.uint8, copy=False)
