"""Scores of a removed object that need no learned model."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.imaging.geometry import dilate, mask_depth
from datagen.imaging.image import Mask

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]

_LONG_SIDE = 256
"""Patches are compared at this long side, in pixels."""
_REACH = 3
"""Half the side of a patch: patches are 7 x 7 pixels."""
_RING = 8
"""Width of the ring around the hole that its texture is compared with, in pixels."""


class RemovalScores(NamedTuple):
    """Scores of one removal; the fields are named as in the catalogue of fields."""

    outside_change: float
    """Largest change of a pixel outside the hole, in grey levels."""
    inside_change: float
    """Mean change inside the subject's mask, in grey levels."""
    seam: float
    """See `seam`."""
    texture: float
    """See `texture`."""
    strangeness: float
    """See `strangeness`."""


def measure_removal(before_HWC: Pixels, after_HWC: Pixels, *, mask_HW: Mask, hole_HW: Mask) -> RemovalScores:
    """Score a removal; `mask_HW` is the subject, `hole_HW` the pixels that were painted. Rounded to 4 digits."""
    change_HW = np.abs(before_HWC.astype(np.float32) - after_HWC.astype(np.float32)).max(2)
    scores = RemovalScores(
        outside_change=float(change_HW[~hole_HW].max(initial=0)),
        inside_change=float(change_HW[mask_HW].mean()) if mask_HW.any() else 0.0,
        seam=seam(after_HWC, hole_HW),
        texture=texture(after_HWC, hole_HW),
        strangeness=strangeness(after_HWC, hole_HW),
    )
    return RemovalScores(*(round(value, 4) for value in scores))


def seam(after_HWC: Pixels, hole_HW: Mask) -> float:
    """Mean difference of neighbouring pixels across the hole's edge over that of neighbours just outside; ideally 1."""
    beside_HW = dilate(hole_HW, 3) & ~dilate(hole_HW, 1)
    across, outside = [], []
    for axis in (0, 1):
        step = np.abs(np.diff(after_HWC.astype(np.float32), axis=axis)).mean(2)
        first, second = (slice(None, -1), slice(1, None))
        here, there = ((first, ...), (second, ...)) if axis == 0 else ((..., first), (..., second))
        across.append(step[hole_HW[here] != hole_HW[there]])
        outside.append(step[beside_HW[here] & beside_HW[there]])
    return _mean(np.concatenate(across)) / max(_mean(np.concatenate(outside)), 1.0)


def texture(after_HWC: Pixels, hole_HW: Mask) -> float:
    """Mean fine detail in the hole over that in a ring around it; 1 if neither has any."""
    luma_HW = cv2.cvtColor(after_HWC, cv2.COLOR_RGB2GRAY).astype(np.float32)
    detail_HW = np.abs(luma_HW - cv2.GaussianBlur(luma_HW, (0, 0), 2))
    ring_HW = dilate(hole_HW, _RING) & ~hole_HW
    return (_mean(detail_HW[hole_HW]) + 0.1) / (_mean(detail_HW[ring_HW]) + 0.1)


def strangeness(after_HWC: Pixels, hole_HW: Mask) -> float:
    """Mean distance of the hole's patches to the most similar patch elsewhere, times the hole's relative depth.

    In grey levels; the relative depth is the depth over the long side. Depth is a factor because new content is
    plausible in a thin hole; in a deep one, content that resembles nothing else in the picture is likely an artefact.
    """
    from scipy.spatial import cKDTree

    features, unknown_HW = _features(after_HWC, hole_HW)
    near_HW = dilate(unknown_HW, _REACH)
    known = features[~near_HW][::2]
    painted = features[unknown_HW][::2]
    if not len(known) or not len(painted):
        return 0.0
    distance, _ = cKDTree(known).query(painted)
    return float(np.mean(distance) * mask_depth(hole_HW) / max(hole_HW.shape))


def _features(after_HWC: Pixels, hole_HW: Mask) -> tuple[Floats, Mask]:
    """For each pixel at long side 256 its patch as 3 x 3 x 3 samples, and the hole at that size.

    The samples are scaled so that Euclidean distances are in grey levels.
    """
    scale = min(1.0, _LONG_SIDE / max(hole_HW.shape))
    size = (max(1, round(hole_HW.shape[1] * scale)), max(1, round(hole_HW.shape[0] * scale)))
    small = cv2.resize(after_HWC, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share_HW = cv2.resize(hole_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    padded = np.pad(cv2.GaussianBlur(small, (0, 0), 1), ((_REACH, _REACH), (_REACH, _REACH), (0, 0)), mode="edge")
    rows, columns = small.shape[:2]
    shifts = (0, _REACH, 2 * _REACH)
    samples = [padded[y : y + rows, x : x + columns] for y in shifts for x in shifts]
    return np.concatenate(samples, axis=2) / np.float32(np.sqrt(27)), share_HW > 0.5


def _mean(values: Floats) -> float:
    return float(values.mean(dtype=np.float64)) if values.size else 0.0
