"""Spatial relations of boxes (left of, above, between, inside, ...), with margins.

All coordinates are shares of the picture: x over its width, y over its height, both 0 to 1, x right, y down. Boxes show
how things are arranged in the picture, but not which is nearer or rests on which; hence there are no such relations.
A relation holds only with a margin, which the constants give: between "a is left of b" and its opposite lie positions
in which neither holds.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from datagen.core.fields import Box

Side = Literal["left", "right", "above", "below"]
Axis = Literal[0, 1]
"""0 is x, 1 is y."""

MARGIN = 0.01
"""Edges closer than this count as equal."""
FACING = 1 / 3
"""Boxes face each other along one axis if they share this part of the smaller one's extent on the other axis."""
NEAR = 0.05
"""Largest gap between neighbours."""
FAR = 0.25
"""Smallest gap between things that are far apart."""
FURTHER = 0.04
"""One thing lies further in a direction than another if both of its edges do by at least this."""
LEVEL = 0.02
"""Largest distance between the centres of things at the same height, or below each other."""
SUBMERGED = 0.8
"""A box with this share of its area inside another may be a part of it."""
OVERLAP = 0.3
"""Boxes overlap if they share this part of the smaller one's area. Equal discs or diamonds that only touch share up to
a quarter of their boxes, so that a smaller value would prove nothing about the things in the boxes."""

_SIDES: dict[Axis, tuple[Side, Side]] = {0: ("left", "right"), 1: ("above", "below")}


class Region(NamedTuple):
    """A box in shares of the picture."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Share of the picture's width."""
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        """Share of the picture's height."""
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Share of the picture's area."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """Centre of the box, x and y."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def along(self, axis: Axis) -> tuple[float, float]:
        """Its start and end on one axis."""
        return self[axis], self[axis + 2]

    def extent(self, axis: Axis) -> float:
        """Its length on one axis."""
        return self[axis + 2] - self[axis]


def region(box: Box, *, size: tuple[int, int]) -> Region | None:
    """The part of an xyxy box in pixels that lies in a picture of `size` (width, height); None if there is none."""
    width, height = size
    x0, x1 = (min(max(x, 0), width) / width for x in (box[0], box[2]))
    y0, y1 = (min(max(y, 0), height) / height for y in (box[1], box[3]))
    return Region(x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def gap(a: Region, b: Region, axis: Axis) -> float:
    """Free distance between two regions on one axis; negative if they overlap on it."""
    return max(a.along(axis)[0], b.along(axis)[0]) - min(a.along(axis)[1], b.along(axis)[1])


def _toward(a: Region, b: Region, axis: Axis) -> Side:
    """The side of `b` on which the centre of `a` lies."""
    return _SIDES[axis][0 if a.center[axis] < b.center[axis] else 1]


def _other(axis: Axis) -> Axis:
    return 1 if axis == 0 else 0


def faces(a: Region, b: Region, axis: Axis) -> bool:
    """Whether the two lie opposite each other along `axis`: they overlap enough on the other axis (`FACING`)."""
    across = _other(axis)
    return -gap(a, b, across) >= FACING * min(a.extent(across), b.extent(across))


def side(a: Region, b: Region) -> Side | None:
    """The side of `b` on which all of `a` lies, facing it; None if there is no such side."""
    axes: tuple[Axis, Axis] = (0, 1)
    for axis in axes:
        if gap(a, b, axis) >= MARGIN and faces(a, b, axis):
            return _toward(a, b, axis)
    return None


def distance(a: Region, b: Region) -> float:
    """The larger of the gaps in x and y; negative if the boxes overlap."""
    return max(gap(a, b, 0), gap(a, b, 1))


def diagonal(a: Region, b: Region) -> tuple[Side, Side] | None:
    """The vertical and the horizontal side of `b` on which all of `a` lies; None unless it lies off a corner of `b`."""
    if gap(a, b, 0) < MARGIN or gap(a, b, 1) < MARGIN:
        return None
    return _toward(a, b, 1), _toward(a, b, 0)


def further(a: Region, b: Region, axis: Axis) -> Side | None:
    """The direction on `axis` in which both edges of `a` lie further than those of `b` (`FURTHER`); None if neither."""
    low, high = a.along(axis)[0] - b.along(axis)[0], a.along(axis)[1] - b.along(axis)[1]
    if max(low, high) <= -FURTHER:
        return _SIDES[axis][0]
    return _SIDES[axis][1] if min(low, high) >= FURTHER else None


def level(a: Region, b: Region, axis: Axis) -> bool:
    """Whether two things face each other along `axis` and have their centres at the same place on the other axis."""
    across = _other(axis)
    return faces(a, b, axis) and abs(a.center[across] - b.center[across]) <= LEVEL


def adjoins(a: Region, b: Region) -> bool:
    """Whether `a` lies on one side of `b` with a gap of at most `NEAR` and at most half the extent of each."""
    found = side(a, b)
    if found is None:
        return False
    axis: Axis = 0 if found in _SIDES[0] else 1
    return gap(a, b, axis) <= min(NEAR, a.extent(axis) / 2, b.extent(axis) / 2)


def shared(a: Region, b: Region) -> float:
    """Area of the intersection of two regions."""
    return max(0.0, -gap(a, b, 0)) * max(0.0, -gap(a, b, 1))


def submerged(a: Region, b: Region) -> bool:
    """Whether so much of `a` lies inside `b` (`SUBMERGED`) that `a` may be a part of `b`."""
    return shared(a, b) >= SUBMERGED * a.area


def within(a: Region, b: Region) -> bool:
    """Whether `a` lies inside `b`, at least `MARGIN` from all of its edges."""
    return min(a.x0 - b.x0, a.y0 - b.y0, b.x1 - a.x1, b.y1 - a.y1) >= MARGIN


def overlaps(a: Region, b: Region) -> bool:
    """Whether two regions share so much (`OVERLAP`) that the things in them must overlap, and neither is submerged."""
    return shared(a, b) >= OVERLAP * min(a.area, b.area) and not submerged(a, b) and not submerged(b, a)


def between(a: Region, first: Region, second: Region) -> Axis | None:
    """The axis on which `a` lies between two others, facing both; None if there is none."""
    ends: set[Side | None] = {side(a, first), side(a, second)}
    if ends == {"left", "right"}:
        return 0
    return 1 if ends == {"above", "below"} else None


def outermost(a: Region, others: list[Region]) -> Side | None:
    """The direction in which `a` lies further than each of the others; None if there is none."""
    axes: tuple[Axis, Axis] = (0, 1)
    for axis in axes:
        found = {further(a, other, axis) for other in others}
        if len(found) == 1 and (end := found.pop()) is not None:
            return end
    return None
