"""Candidates drawn around a true box, as a detector may give them: one is right, the others are wrong."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from datagen.core.fields import Box
from datagen.imaging.geometry import iou

_NEAR = 0.65
"""Least IoU of the right one."""
_WRONG = 0.5
_TRIES = 400


def drawn_candidates(truth: Box, *, size: tuple[int, int], seed: int) -> list[Box]:
    """Up to eight boxes in a picture of `size` (width, height), in random order, the same ones for a seed.

    The truth with each edge moved by up to a tenth of its side (IoU above 0.65), the frame, and six boxes with an IoU
    below 0.5: one moved by 0.45 of its sides, one of 0.42 and one of 2.45 times its area, three anywhere, one of them
    tiny. One that cannot be wrong, as the truth nearly fills the frame, is left out.
    """
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = truth
    sides_4 = np.array([x1 - x0, y1 - y0] * 2)
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    scale = min(size) / 256

    def scaled(share: float, jitter: float) -> Box:
        half = sides_4[:2] * share**0.5 / 2
        middle = centre + rng.uniform(-jitter, jitter, 2) * 2 * half
        return _clipped(np.concatenate([middle - half, middle + half]), size)

    def moved() -> Box:
        angle = rng.uniform(0, 2 * np.pi)
        return _clipped(np.array(truth) + 0.45 * sides_4 * np.tile([np.cos(angle), np.sin(angle)], 2), size)

    def anywhere(low: float, high: float) -> Box:
        start = rng.uniform(0, np.array(size) - low * scale)
        return _clipped(np.concatenate([start, start + rng.uniform(low, high, 2) * scale]), size)

    def near() -> Box:
        return _clipped(np.array(truth) + rng.uniform(-0.1, 0.1, 4) * sides_4, size)

    wrong: list[Callable[[], Box]] = [
        moved,
        lambda: scaled(0.42, 0.25),
        lambda: scaled(2.45, 0.12),
        lambda: anywhere(20, 180),
        lambda: anywhere(20, 180),
        lambda: anywhere(6, 7),
    ]
    right = _first(near, lambda box: iou(box, truth) > _NEAR) or truth
    others = (_first(make, lambda box: iou(box, truth) < _WRONG) for make in wrong)
    boxes = [right, (0.0, 0.0, float(size[0]), float(size[1])), *(box for box in others if box)]
    return [boxes[place] for place in rng.permutation(len(boxes))]


def _first(make: Callable[[], Box], fits: Callable[[Box], bool]) -> Box | None:
    return next((box for _ in range(_TRIES) if fits(box := make())), None)


def _clipped(edges_4: NDArray[np.float64], size: tuple[int, int]) -> Box:
    """Whole pixels inside the frame, at least four wide and high."""
    low = np.clip(np.rint(edges_4[:2]), 0, np.array(size) - 4)
    high = np.clip(np.rint(edges_4[2:]), low + 4, size)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])
