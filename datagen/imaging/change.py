"""Where two pictures differ, as a box in shares of the frame, and how."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.core.fields import Box
from datagen.imaging.image import Pixels
from datagen.imaging.perceptual_hash import format_hash

_LONG_SIDE = 256
_SIDE = 64
_YCRCB = np.array([[0.299, 0.587, 0.114], [0.5, -0.4187, -0.0813], [-0.1687, -0.3313, 0.5]], np.float32).T
"""BT.601."""
_STEPS = 64
"""Into which width and height are divided; one bit a step."""
_SHAPES = 0.02
"""By which two pictures' ratios of width to height may differ and still be held against each other."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)


def change_box(source_HWC: Pixels, target_HWC: Pixels, *, min_difference: float) -> Box:
    """The box of what differs by more than `min_difference` grey levels, in shares of the frame.

    Compared in float at long side 256, after a blur that removes what a codec
    adds. The whole frame if nothing differs, or if the shapes do.
    """
    ratios = [picture.shape[1] / picture.shape[0] for picture in (source_HWC, target_HWC)]
    if abs(ratios[0] / ratios[1] - 1) > _SHAPES:
        return WHOLE
    scale = min(1.0, _LONG_SIDE / max(source_HWC.shape))
    size = (max(1, round(source_HWC.shape[1] * scale)), max(1, round(source_HWC.shape[0] * scale)))
    one, other = (
        cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32)
        for picture in (source_HWC, target_HWC)
    )
    excess = cv2.GaussianBlur(np.abs(one - other).max(axis=2), (3, 3), 0) - min_difference
    weights = np.sqrt(np.maximum(excess, 0))
    if not weights.any():
        return WHOLE
    x0, x1 = _span(weights.sum(axis=0))
    y0, y1 = _span(weights.sum(axis=1))
    return x0, y0, x1, y1


def _span(weights: NDArray[np.float32]) -> tuple[float, float]:
    """Where weights lie, in shares of their number: a run of equal ones from its begin to its end.

    Told by mean and spread, which a pixel more or less hardly moves, as it would a first and a last one.
    """
    places = (np.arange(len(weights)) + 0.5) / len(weights)
    mean = float(np.average(places, weights=weights))
    spread = float(np.sqrt(3 * np.average((places - mean) ** 2, weights=weights)))
    half = max(spread, 0.5 / len(weights))
    return max(0.0, mean - half), min(1.0, mean + half)


def change_picture(source_HWC: Pixels, target_HWC: Pixels, box: Box, *, context: float) -> Pixels:
    """What is added to the source inside a box, and around it by `context` times its size on each side.

    Grey 128 is no change. The differences of luma, red and blue chroma stand side by side, 64 x 64
    each: a hash of luma alone would not tell a car that is painted red from one painted blue.
    """
    one, other = (_cropped(picture, box, context=context) for picture in (source_HWC, target_HWC))
    luma, red, blue = np.moveaxis((other - one) @ _YCRCB, 2, 0)
    panels = np.concatenate([luma, red, blue], axis=1) / 2 + 128
    return np.repeat(np.rint(panels).clip(0, 255)[:, :, None], 3, axis=2).astype(np.uint8)


def _cropped(picture_HWC: Pixels, box: Box, *, context: float) -> NDArray[np.float32]:
    height, width = picture_HWC.shape[:2]
    x0, y0, x1, y1 = box
    wide, high = context * (x1 - x0), context * (y1 - y0)
    left, top = int(max(0.0, x0 - wide) * width), int(max(0.0, y0 - high) * height)
    right, bottom = round(min(1.0, x1 + wide) * width), round(min(1.0, y1 + high) * height)
    crop = picture_HWC[top : max(bottom, top + 1), left : max(right, left + 1)]
    return np.asarray(cv2.resize(crop, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), np.float32)


BOX_HASH_BITS = 4 * _STEPS
"""Of a place that `box_hash` tells."""


def box_hash(box: Box) -> str:
    """A box, in shares of the frame, as a hash: two differ by as many bits as their edges do in 64ths of the frame."""
    steps = np.rint(np.array(box) * _STEPS)[:, None]
    return format_hash(np.arange(_STEPS) < steps, by="box256")
