"""Fills a hole so that its edge meets the picture and its inside follows given steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

_SHIFTS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def harmonic(image_HWC: Floats, hole_HW: Mask) -> Floats:
    """The hole filled as smoothly as its edge allows, coarse to fine."""
    filled_HWC = image_HWC.copy()
    filled_HWC[hole_HW] = 0 if hole_HW.all() else image_HWC[~hole_HW].mean(0)
    if min(hole_HW.shape) > 8 and thickness(hole_HW) > 4:
        filled_HWC[hole_HW] = _from_half(image_HWC, hole_HW)[hole_HW]
    return relax(filled_HWC, hole_HW, _flat, sweeps=60)


def relax(
    image_HWC: Floats, hole_HW: Mask, step: Callable[[Index, Index], Floats | np.float32], *, sweeps: int
) -> Floats:
    """Solve Poisson's equation in the hole, from what stands there.

    `step(here, there)` is the wanted difference of pixel `here` from its
    neighbour `there`, both flat indices. Over-relaxation in red-black order, in
    plain array arithmetic, so that the result hangs on no thread count.
    """
    flat_NC = image_HWC.reshape(-1, image_HWC.shape[2]).copy()
    halves = [_half(hole_HW, step, parity) for parity in (0, 1)]
    omega = np.float32(2 / (1 + np.sin(np.pi / (2 * thickness(hole_HW) + 2))))
    for _ in range(sweeps):
        for here, neighbours, weight, wanted in halves:
            total = sum((flat_NC[there] * inside for there, inside in neighbours), wanted)
            flat_NC[here] += omega * (total / weight - flat_NC[here])
    return flat_NC.reshape(image_HWC.shape)


def _flat(here: Index, there: Index) -> np.float32:  # noqa: ARG001
    return np.float32(0)


def _half(
    hole_HW: Mask, step: Callable[[Index, Index], Floats | np.float32], parity: int
) -> tuple[Index, list[tuple[Index, Floats]], Floats, Floats]:
    ys, xs = np.nonzero(hole_HW)
    chosen = (ys + xs) % 2 == parity
    ys, xs = ys[chosen], xs[chosen]
    here = ys * hole_HW.shape[1] + xs
    neighbours = list(_neighbours(ys, xs, hole_HW.shape))
    weight = np.maximum(sum(inside for _, inside in neighbours), np.float32(1))
    wanted = sum((step(here, there) * inside for there, inside in neighbours), np.zeros((len(here), 1), np.float32))
    return here, neighbours, weight, wanted


def _neighbours(ys: Index, xs: Index, shape: tuple[int, ...]) -> Iterator[tuple[Index, Floats]]:
    for dy, dx in _SHIFTS:
        y, x = ys + dy, xs + dx
        inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
        flat = y.clip(0, shape[0] - 1) * shape[1] + x.clip(0, shape[1] - 1)
        yield flat, inside.astype(np.float32)[:, None]


def _from_half(image_HWC: Floats, hole_HW: Mask) -> Floats:
    height, width = hole_HW.shape
    half = ((width + 1) // 2, (height + 1) // 2)
    known = (~hole_HW).astype(np.float32)
    weight = _resized(known, half, cv2.INTER_AREA)
    small = _resized(image_HWC * known[..., None], half, cv2.INTER_AREA)
    small /= np.maximum(weight, np.float32(1e-6)).reshape(*small.shape[:2], 1)
    filled = harmonic(small, weight < 1e-3)
    return _resized(filled, (width, height), cv2.INTER_LINEAR)


def thickness(hole_HW: Mask) -> float:
    """Distance in pixels of the innermost pixel of the hole from its edge."""
    padded = np.pad(hole_HW, 1).astype(np.uint8)
    return float(cv2.distanceTransform(padded, cv2.DIST_L2, 5).max())


def _resized(image: Floats, size: tuple[int, int], how: int) -> Floats:
    resized = np.asarray(cv2.resize(image, size, interpolation=how), np.float32)
    return resized.reshape(size[1], size[0], *image.shape[2:])  # OpenCV drops a lone channel
