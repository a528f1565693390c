"""Boxes that a map of the change (HW, 0 to 1) suggests: around its parts, and the one rectangle that fits it best.

All boxes are xyxy on the map's grid, end excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.core.fields import Box
from datagen.imaging.image import Mask

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]
GridBox = tuple[int, int, int, int]

OWN_BOX = "change_map"
"""What proposes the box of `map_box`."""
MAP_BOX_PRICE = 0.15
"""What a place of the map's own box costs: it is worth its place if it changed by more."""
LEVELS = (0.1, 0.3, 0.6)
"""Changes above which connected places are a part."""
LEAST_CHANGE = 0.001
"""Least sum of change less its price inside the map's own box, as a share of the frame, that counts as a change."""
_COARSE = 64
"""Cells of the long side at which the map's own box is searched first."""
_GROWN = 0.03
"""By how much of its short side a part's box is grown on each side."""
_PARTS = 4
"""Most parts of one level."""
_CHANGED = 0.3
"""Least change of a place of a `ChangePart`."""
LEAST_PLACE = 0.25
"""Least change of a further place of an edit, as a share of the change at its first place."""
_LEAST_PART = 0.0005
"""Least change of a part, as a share of the frame."""


def map_box(change_HW: Floats, *, price: float = MAP_BOX_PRICE) -> GridBox | None:
    """The rectangle of a map with the largest sum of change less `price`, xyxy on its grid; None if no sum is positive.

    Kadane's algorithm over all pairs of rows of a grid of at most 64 cells a side: the best of the rectangles on the
    grid. Then each edge moves by pixels while that raises the sum. Exact for maps of up to 64 pixels a side.
    """
    worth_HW = change_HW.astype(np.float64) - price
    step = -(-max(worth_HW.shape) // _COARSE)
    best = _best_of_grid(worth_HW, step)
    return None if best is None else _refined(np.asarray(cv2.integral(worth_HW), np.float64), best, step)


def in_picture(box: GridBox, change_HW: Floats, size: tuple[int, int]) -> Box:
    """A box of a map's grid in pixels of a picture of `size` (width, height)."""
    wide, high = size[0] / change_HW.shape[1], size[1] / change_HW.shape[0]
    return box[0] * wide, box[1] * high, box[2] * wide, box[3] * high


def own_boxes(change_HW: Floats, parts: Sequence[ChangePart], size: tuple[int, int]) -> list[Box]:
    """The map's own box without some of its parts, in pixels of a picture of `size` (width, height), if it has one."""
    found = map_box(without_parts(change_HW, parts))
    return [in_picture(found, change_HW, size)] if found else []


def _best_of_grid(worth_HW: Sums, step: int) -> GridBox | None:
    height, width = worth_HW.shape
    rows, columns = np.arange(0, height, step), np.arange(0, width, step)
    cells = np.add.reduceat(np.add.reduceat(worth_HW, rows, axis=0), columns, axis=1)
    below = np.vstack([np.zeros(cells.shape[1]), cells.cumsum(0)])
    best, box = 0.0, None
    for top in range(len(cells)):
        # Prefix sums of the strips from `top` to each row below: a run of columns is the difference of two of them.
        prefix = np.pad((below[top + 1 :] - below[top]).cumsum(1), ((0, 0), (1, 0)))
        gains = prefix[:, 1:] - np.minimum.accumulate(prefix, axis=1)[:, :-1]
        bottom, end = np.unravel_index(int(np.argmax(gains)), gains.shape)
        if gains[bottom, end] > best + 1e-12:
            best, start = float(gains[bottom, end]), int(np.argmin(prefix[bottom, : end + 1]))
            box = (
                start * step,
                top * step,
                min((int(end) + 1) * step, width),
                min((top + int(bottom) + 1) * step, height),
            )
    return box


def _refined(sums: Sums, box: GridBox, step: int) -> GridBox:
    """Move the edges, one after another, to the place within a step where the sum is largest, until none moves."""
    edges = list(box)
    ends = (sums.shape[1] - 1, sums.shape[0] - 1)
    moved = step > 1
    while moved:
        moved = False
        for edge in range(4):
            axis, opposite = edge % 2, edges[(edge + 2) % 4]
            low, high = (0, opposite - 1) if edge < 2 else (opposite + 1, ends[axis])
            places = np.arange(max(low, edges[edge] - step), min(high, edges[edge] + step) + 1)
            gains = _strips(sums, edges, edge, places)
            place = int(places[np.argmax(gains)])
            if gains.max() > gains[places == edges[edge]][0] + 1e-9:
                edges[edge], moved = place, True
    return edges[0], edges[1], edges[2], edges[3]


def _strips(sums: Sums, edges: list[int], edge: int, places: NDArray[np.int64]) -> Sums:
    """Sums of the rectangles with one edge at each of `places`."""
    x0, y0, x1, y1 = (places if index == edge else np.full_like(places, value) for index, value in enumerate(edges))
    return np.asarray(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0], np.float64)


def is_unchanged(change_HW: Floats) -> bool:
    """Whether a map shows no change: nothing, or no more than what noise leaves here and there (`LEAST_CHANGE`)."""
    box = map_box(change_HW)
    if box is None:
        return True
    worth = change_HW[box[1] : box[3], box[0] : box[2]].sum(dtype=np.float64) - MAP_BOX_PRICE * _cells(box)
    return bool(worth < LEAST_CHANGE * change_HW.size)


def _cells(box: GridBox) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def component_boxes(change_HW: Floats, *, levels: Sequence[float] = LEVELS, most: int = 16) -> list[GridBox]:
    """Boxes around connected parts of a map above each of the levels, those with the most change first.

    For each level: the four parts with the most change one by one, then the boxes around the first two, three and
    four. All are grown a little, as a difference fades at an edit's edge. Each box is listed once, at most `most`.
    """
    found: dict[GridBox, float] = {}
    sums = cv2.integral(change_HW.astype(np.float64))
    for level in levels:
        parts = _parts(change_HW, level)
        merged = [_around(parts[: number + 1]) for number in range(1, len(parts))]
        for x0, y0, x1, y1 in (_grown(part, change_HW.shape) for part in (*parts, *merged)):
            found[x0, y0, x1, y1] = float(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0])
    return sorted(found, key=lambda box: (-found[box], box))[:most]


class ChangePart(NamedTuple):
    """One connected part of a map of the change."""

    mask: Mask
    """HW; a pixel wider than the change on all sides."""
    box: GridBox
    change: float
    """Sum of the map in it."""


class EditParts(NamedTuple):
    """The parts of a map by whose they are, each with the largest first."""

    own: list[ChangePart]
    """Those of the edit: one for each of its places."""
    others: list[ChangePart]
    """Those that lie somewhere else; parts inside of the box of an own one are in neither list."""


def edit_parts(change_HW: Floats, *, places: int) -> EditParts:
    """The parts of a map that are those of an edit of up to `places` places, the largest ones, and the other parts.

    A further place with less than `LEAST_PLACE` of the change of the first one is no place of the edit. Parts with less
    than 0.0005 of the frame are noise.
    """
    changed_HW = cv2.dilate((change_HW > _CHANGED).astype(np.uint8), np.ones((3, 3), np.uint8))
    count, labels_HW, stats, _ = cv2.connectedComponentsWithStats(changed_HW, connectivity=8)
    change = np.bincount(labels_HW.ravel(), weights=change_HW.ravel().astype(np.float64), minlength=count)
    order = [
        part for part in np.argsort(-change[1:], kind="stable") + 1 if change[part] >= _LEAST_PART * change_HW.size
    ]
    boxes = [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in (stats[part] for part in order)]
    parts = [ChangePart(labels_HW == part, box, float(change[part])) for part, box in zip(order, boxes, strict=True)]
    own = [part for part in parts[:places] if part.change >= LEAST_PLACE * parts[0].change]
    others = [part for part in parts[len(own) :] if not any(_is_inside(part.box, one.box) for one in own)]
    return EditParts(own, others)


def without_parts(change_HW: Floats, parts: Sequence[ChangePart]) -> Floats:
    """The map without the change in some parts of it."""
    if not parts:
        return change_HW
    return np.where(np.logical_or.reduce([part.mask for part in parts]), np.float32(0), change_HW)


def _is_inside(box: GridBox, other: GridBox) -> bool:
    """Whether most of a box lies in another one."""
    wide, high = min(box[2], other[2]) - max(box[0], other[0]), min(box[3], other[3]) - max(box[1], other[1])
    return wide > 0 and high > 0 and 2 * wide * high > _cells(box)


def _grown(box: GridBox, shape: tuple[int, ...]) -> GridBox:
    by = max(1, round(_GROWN * min(box[2] - box[0], box[3] - box[1])))
    return max(0, box[0] - by), max(0, box[1] - by), min(shape[1], box[2] + by), min(shape[0], box[3] + by)


def _parts(change_HW: Floats, level: float) -> list[GridBox]:
    count, labels_HW, stats, _ = cv2.connectedComponentsWithStats((change_HW > level).astype(np.uint8), connectivity=8)
    change = np.bincount(labels_HW.ravel(), weights=change_HW.ravel().astype(np.float64), minlength=count)
    order = [
        part for part in np.argsort(-change[1:], kind="stable") + 1 if change[part] >= _LEAST_PART * change_HW.size
    ]
    return [(int(x), int(y), int(x + w), int(y + h)) for x, y, w, h, _ in (stats[part] for part in order[:_PARTS])]


def _around(boxes: Sequence[GridBox]) -> GridBox:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)
