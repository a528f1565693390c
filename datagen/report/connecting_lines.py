"""Lines between boxes, and labels on them: points in pixels, and the SVG path data of both."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import pairwise

Point = tuple[float, float]
Area = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the drawing."""

BENDS = (0.0, 34.0, -34.0, 60.0, -60.0, 95.0, -95.0, 140.0, -140.0)
"""How far the middle of a line may be pushed aside, in pixels, so that it passes no box."""
BENDS_OF_TWO = (24.0, 48.0, 80.0, 120.0)
"""The same where another line joins the two boxes the other way round, which is pushed to the other side."""
_POINTS = 24
"""Pieces of a curve."""
_PLACES = (0.5, 0.42, 0.58, 0.34, 0.66, 0.26, 0.74, 0.18, 0.82)
"""Where on its line a label may stand."""


def connecting_line(one: Area, other: Area, *, others: Sequence[Area], bends: Sequence[float]) -> list[Point]:
    """A line between the edges of two boxes: the first of the `bends` that passes no other box, else the first."""
    for bend in bends:
        points = _visible(_curve(_centre(one), _centre(other), bend), one, other)
        if not any(_inside(point, area) for point in points[::2] for area in others):
            return points
    return _visible(_curve(_centre(one), _centre(other), bends[0]), one, other)


def _centre(area: Area) -> Point:
    return (area[0] + area[2]) / 2, (area[1] + area[3]) / 2


def _curve(start: Point, end: Point, bend: float) -> list[Point]:
    """Points from start to end; the middle is pushed by `bend` pixels to the left of the way."""
    length = math.dist(start, end) or 1.0
    side = ((end[1] - start[1]) / length, (start[0] - end[0]) / length)
    shares = [place / _POINTS for place in range(_POINTS + 1)]
    return [
        (
            start[0] + share * (end[0] - start[0]) + 4 * share * (1 - share) * bend * side[0],
            start[1] + share * (end[1] - start[1]) + 4 * share * (1 - share) * bend * side[1],
        )
        for share in shares
    ]


def _visible(points: Sequence[Point], one: Area, other: Area) -> list[Point]:
    """The part of a curve that lies outside the boxes at its ends."""
    fine = [
        (a[0] + (b[0] - a[0]) * step / 6, a[1] + (b[1] - a[1]) * step / 6)
        for a, b in pairwise(points)
        for step in range(6)
    ]
    begin = max((place for place, point in enumerate(fine) if _inside(point, one, 1.0)), default=0)
    found = fine[begin + 1 :]
    end = next((place for place, point in enumerate(found) if _inside(point, other, 3.0)), len(found))
    return found[:end] or [_centre(one), _centre(other)]


def _inside(point: Point, area: Area, room: float = 4.0) -> bool:
    return area[0] - room < point[0] < area[2] + room and area[1] - room < point[1] < area[3] + room


def label_area(width: float, height: float, *, points: Sequence[Point], taken: Collection[Area]) -> Area:
    """Where a label stands on its line, over nothing that is taken if there is such a place."""
    found = []
    for share in _PLACES:
        x, y = points[round(share * (len(points) - 1))]
        found.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    return next((area for area in found if not any(_overlap(area, other) for other in taken)), found[0])


def _overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def path_data(points: Sequence[Point], *, left: float, top: float) -> str:
    """SVG path data: a straight line through its ends, a curve through some of its points."""
    middle = points[len(points) // 2]
    straight = math.dist(points[0], middle) + math.dist(middle, points[-1]) < math.dist(points[0], points[-1]) + 0.5
    some = [points[0], points[-1]] if straight else [*points[:-1:6], points[-1]]
    return f"M{'L'.join(f'{x - left:.1f} {y - top:.1f}' for x, y in some)}"


def arrow_head(points: Sequence[Point], *, left: float, top: float) -> str:
    """SVG path data of a head of an arrow whose tip is the last point."""
    tip, behind = points[-1], points[max(0, len(points) - 9)]
    length = math.dist(tip, behind) or 1.0
    x, y = (tip[0] - behind[0]) / length, (tip[1] - behind[1]) / length
    base = (tip[0] - 8 * x, tip[1] - 8 * y)
    corners = (tip, (base[0] - 3.5 * y, base[1] + 3.5 * x), (base[0] + 3.5 * y, base[1] - 3.5 * x))
    return f"M{'L'.join(f'{cx - left:.1f} {cy - top:.1f}' for cx, cy in corners)}Z"
