"""Whether a turn brings back in a region what the picture showed before an earlier turn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datagen.core.fields import Box
from datagen.imaging.image import Image

_LEAST_CHANGE = 4.0
"""Mean difference, in grey levels, from which a turn counts as having changed a region."""
_SHARE = 0.3
"""Largest difference that may be left of what the earlier turn changed, as a share of it."""


def is_restored(states: Sequence[Image], *, earlier: tuple[int, int], later: tuple[int, int], box: Box | None) -> bool:
    """Whether the later turn leads back to the state before the earlier one, inside `box` (None for the frame).

    `earlier` and `later` are the indices of the states before and after each turn. False if their sizes differ, if the
    earlier turn changed nothing there, or if the later one did not.
    """
    pictures = [states[index] for index in (*earlier, *later)]
    if len({picture.size for picture in pictures}) > 1:
        return False
    rows, columns = _slices(box, pictures[0].size)
    before, edited, since, now = (picture.array[rows, columns].astype(np.float32) for picture in pictures)
    if not before.size:
        return False
    changed = float(np.abs(edited - before).mean())
    moved = float(np.abs(now - since).mean())
    left = float(np.abs(now - before).mean())
    return changed > _LEAST_CHANGE and moved > changed / 2 and left <= _SHARE * changed


def _slices(box: Box | None, size: tuple[int, int]) -> tuple[slice, slice]:
    if box is None:
        return slice(None), slice(None)
    x0, y0, x1, y1 = box
    return slice(max(0, int(y0)), min(size[1], int(y1 + 1))), slice(max(0, int(x0)), min(size[0], int(x1 + 1)))
