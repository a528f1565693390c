"""Drop pictures of poor technical quality."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig, Threshold
from datagen.imaging.image import Pixels
from datagen.imaging.sharpness import sharpness


class FilterQuality(Map):
    """Keep pictures that are sharp, have contrast and are not blown out.

    An honest stand-in for the aesthetic score of MIGE's appendix B, which no rule can compute. Rejects as `flat`,
    `blurred` or `clipped`, whichever applies first.
    """

    reads = ("image",)
    writes = ("sharpness", "contrast", "clipped")
    rejects = ("blurred", "flat", "clipped")
    thresholds = (
        Threshold("contrast", "least", "min_contrast", "flat"),
        Threshold("sharpness", "least", "min_sharpness", "blurred"),
        Threshold("clipped", "most", "max_clipped", "clipped"),
    )
    version = 1

    class Config(StageConfig):
        """Bounds on what is measured."""

        min_sharpness: float = Field(default=50, ge=0)
        """Variance of the Laplacian of luma at long side 512, in squared grey levels; the default is our own value."""
        min_contrast: float = Field(default=0.15, ge=0, le=1)
        """Span between the 2nd and the 98th percentile of luma; the default is our own value."""
        max_clipped: float = Field(default=0.5, ge=0, le=1)
        """Share of pixels that are pure black or pure white; the default is our own value."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Measure each picture, then judge it."""
        return [self._judge(_measure(record["image"].array)) for record in batch]

    def _judge(self, found: dict[str, float]) -> Answer:
        limits = self.config
        if found["contrast"] < limits.min_contrast:
            return Reject("flat", f"contrast {found['contrast']:.3f} < {limits.min_contrast}", found)
        if found["sharpness"] < limits.min_sharpness:
            return Reject("blurred", f"sharpness {found['sharpness']:.1f} < {limits.min_sharpness}", found)
        if found["clipped"] > limits.max_clipped:
            return Reject("clipped", f"{found['clipped']:.0%} of the pixels are black or white", found)
        return found


def _measure(image_HWC: Pixels) -> dict[str, float]:
    luma_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
    low, high = np.percentile(luma_HW, (2, 98))
    pure = (image_HWC == 0).all(2) | (image_HWC == 255).all(2)
    return {
        "sharpness": round(sharpness(image_HWC), 2),
        "contrast": round(float(high - low) / 255, 4),
        "clipped": round(float(pure.mean()), 4),
    }
