"""Inpainting by OpenCV's fast marching method (Telea 2004)."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.models.base import ModelConfig
from datagen.models.inpainters.base import Inpainter


class TeleaConfig(ModelConfig):
    """OpenCV's fast marching (Telea 2004): quick, but smears wide holes."""

    kind: Literal["telea"] = "telea"
    radius: float = Field(default=5, ge=1, le=64)
    """How far around each pixel is looked at, in pixels."""

    def load(self, device: str) -> Inpainter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        return TeleaInpainter(radius=self.radius)


class TeleaInpainter:
    """Extends the colours at the hole's edge inwards, pixel by pixel."""

    def __init__(self, *, radius: float) -> None:
        self.radius = radius

    def __call__(
        self,
        images: list[NDArray[np.uint8]],
        masks: list[NDArray[np.bool_]],
        *,
        seeds: list[int],  # noqa: ARG002 - nothing is drawn
    ) -> list[NDArray[np.uint8]]:
        """See `Inpainter`."""
        return [
            cv2.inpaint(image, mask.astype(np.uint8), self.radius, cv2.INPAINT_TELEA).astype(np.uint8, copy=False)
            for image, mask in zip(images, masks, strict=True)
        ]
