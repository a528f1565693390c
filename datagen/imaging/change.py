"""Describe the change between two pictures: where it is, as a box, and what it is, as a small picture to hash."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.core.fields import Box
from datagen.imaging.image import Pixels
from datagen.imaging.perceptual_hash import format_hash

_LONG_SIDE = 256
"""Pictures are compared at this long side, in pixels."""
_SIDE = 64
"""Side of a panel of `change_picture`, in pixels."""
_YCRCB = np.array([[0.299, 0.587, 0.114], [0.5, -0.4187, -0.0813], [-0.1687, -0.3313, 0.5]], np.float32).T
"""From RGB to luma, red and blue chroma (BT.601)."""
_STEPS = 64
"""Steps into which width and height are divided; one bit per step."""
_SHAPES = 0.02
"""Largest relative difference of two pictures' aspect ratios at which they are still compared."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
"""The whole frame."""


def change_box(source_HWC: Pixels, target_HWC: Pixels, *, min_difference: float) -> Box:
    """The xyxy box, in shares of the frame, of the pixels that differ by more than `min_difference` grey levels.

    The pictures are compared at long side 256. A blur removes differences that a codec makes. The whole frame if no
    pixel differs, or if the aspect ratios do.
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
    """Start and end of the range that the weights fill, in shares of their number.

    The range is computed from mean and standard deviation, and exact for a run of equal weights. A single pixel hardly
    changes them, while it would change the first and last position with a weight.
    """
    places = (np.arange(len(weights)) + 0.5) / len(weights)
    mean = float(np.average(places, weights=weights))
    # The half-width of a uniform distribution is sqrt(3) times its standard deviation.
    spread = float(np.sqrt(3 * np.average((places - mean) ** 2, weights=weights)))
    half = max(spread, 0.5 / len(weights))
    return max(0.0, mean - half), min(1.0, mean + half)


def change_picture(source_HWC: Pixels, target_HWC: Pixels, box: Box, *, context: float) -> Pixels:
    """The difference of target and source inside a box, enlarged on each side by `context` times its size.

    HWC uint8, 64 x 192: the differences of luma, red chroma and blue chroma side by side; 128 is no change. Chroma is
    included because a hash of luma alone would be the same for a car painted red and a car painted blue.
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
"""Number of bits of a `box_hash`."""


def box_hash(box: Box) -> str:
    """A box, in shares of the frame, as a hash in unary code.

    The hashes of two boxes differ in as many bits as their four edges differ in 64ths of the frame, in sum.
    """
    steps = np.rint(np.array(box) * _STEPS)[:, None]
    return format_hash(np.arange(_STEPS) < steps, by="box256")
