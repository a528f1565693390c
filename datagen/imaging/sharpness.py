"""How sharp a picture is."""

from __future__ import annotations

import cv2

from datagen.imaging.image import Pixels

_LONG_SIDE = 512
"""Sharpness depends on the size of a picture, so that larger ones are reduced to this long side first."""


def sharpness(image_HWC: Pixels) -> float:
    """Variance of the Laplacian of luma at long side 512, in squared grey levels; smaller pictures as they are."""
    luma_HW = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2GRAY).astype("uint8", copy=False)
    scale = _LONG_SIDE / max(luma_HW.shape)
    if scale < 1:
        size = (max(1, round(luma_HW.shape[1] * scale)), max(1, round(luma_HW.shape[0] * scale)))
        luma_HW = cv2.resize(luma_HW, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
    return float(cv2.Laplacian(luma_HW.astype("float32"), cv2.CV_32F).var())
