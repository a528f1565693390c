"""Drop pairs whose target is less sharp than its source."""

from __future__ import annotations

import cv2
from pydantic import Field

from datagen import Answer, Filter, Record, StageConfig, Threshold
from datagen.imaging.image import Pixels
from datagen.imaging.sharpness import sharpness


class FilterSharpness(Filter):
    """Drop pairs whose edit took sharpness away.

    `sharpness_kept` is the sharpness of the target over that of the source, each as in `filter_quality` and for its
    contrast, as a darker picture is no softer; 1 if the source has none. A picture that was soft before its edit is no
    fault of the edit, and passes. Rejects as `blurred`.
    """

    reads = ("source", "target")
    writes = ("sharpness_kept",)
    rejects = ("blurred",)
    thresholds = (Threshold("sharpness_kept", "least", "min_kept", "blurred"),)
    version = 1

    class Config(StageConfig):
        """A bound on what is measured."""

        min_kept: float = Field(default=0.1, ge=0)
        """Least share of the source's sharpness; a blur by a pixel leaves 0.1 to 0.3 of a texture. Our own value."""

    config: Config

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Measure each pair."""
        return [_measured(record) for record in batch]


def _measured(record: Record) -> Answer:
    before, after = (_for_contrast(record[name].array) for name in ("source", "target"))
    return {"sharpness_kept": round(after / before, 3) if before else 1.0}


def _for_contrast(image_HWC: Pixels) -> float:
    variance = float(cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY).var())
    return sharpness(image_HWC) / variance if variance else 0.0
