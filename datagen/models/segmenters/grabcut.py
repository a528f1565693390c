"""OpenCV's GrabCut as a segmenter, without weights."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.fields import Box
from datagen.models.base import ModelConfig
from datagen.models.segmenters.base import BoxPrompts, Segmentation, Segmenter


class GrabCutConfig(ModelConfig):
    """GrabCut from the box (Rother et al. 2004), for objects that stand off their surroundings."""

    kind: Literal["grabcut"] = "grabcut"
    rounds: int = Field(default=1, ge=1, le=50)
    """How often the colour models are fitted; more rounds lose faint objects (docs/inpainting.md)."""
    margin: float = Field(default=0, ge=0, le=2)
    """How much of the surroundings is looked at beyond two pixels, in widths and heights of the box."""

    def load(self, device: str) -> Segmenter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        return GrabCutSegmenter(rounds=self.rounds, margin=self.margin)


_SEED = 7


class GrabCutSegmenter:
    """Separates the object in the box from its surroundings by colour and edges."""

    def __init__(self, *, rounds: int, margin: float) -> None:
        self.rounds = rounds
        self.margin = margin

    def __call__(self, pictures: list[BoxPrompts]) -> list[list[Segmentation]]:
        """See `Segmenter`; annotations are ignored, the score is the mask's area over the box's area."""
        return [[self._cut(picture.image, box) for box in picture.boxes] for picture in pictures]

    def _cut(self, image_HWC: NDArray[np.uint8], box: Box) -> Segmentation:
        height, width = image_HWC.shape[:2]
        x0, y0, x1, y1 = _whole_pixels(box, width=width, height=height)
        pad_x, pad_y = round((x1 - x0) * self.margin) + 2, round((y1 - y0) * self.margin) + 2
        left, top = max(0, x0 - pad_x), max(0, y0 - pad_y)
        part_HWC = np.ascontiguousarray(image_HWC[top : y1 + pad_y, left : x1 + pad_x, ::-1])  # BGR, as OpenCV has it
        label_HW = np.full(part_HWC.shape[:2], cv2.GC_BGD, np.uint8)
        label_HW[y0 - top : y1 - top, x0 - left : x1 - left] = cv2.GC_PR_FGD
        mask_HW = np.zeros((height, width), np.bool_)
        if (label_HW == cv2.GC_BGD).any():  # GrabCut needs background pixels; a box may fill the whole picture
            cv2.setRNGSeed(_SEED)  # GrabCut's k-means draws from OpenCV's global generator
            colours, others = np.zeros((1, 65)), np.zeros((1, 65))
            cv2.grabCut(part_HWC, label_HW, (0, 0, 1, 1), others, colours, self.rounds, cv2.GC_INIT_WITH_MASK)
            found_HW = (label_HW == cv2.GC_FGD) | (label_HW == cv2.GC_PR_FGD)
            mask_HW[top : top + found_HW.shape[0], left : left + found_HW.shape[1]] = found_HW
        return Segmentation(mask_HW, float(mask_HW.sum()) / ((x1 - x0) * (y1 - y0)))


def _whole_pixels(box: Box, *, width: int, height: int) -> tuple[int, int, int, int]:
    """The box enlarged to whole pixels and clipped to the picture; at least one pixel wide and high."""
    x0, y0 = min(max(int(box[0]), 0), width - 1), min(max(int(box[1]), 0), height - 1)
    return x0, y0, min(max(int(np.ceil(box[2])), x0 + 1), width), min(max(int(np.ceil(box[3])), y0 + 1), height)
