"""Facts about where in the picture the subject is.

Positions depend on the middle of the box, in shares of the picture:

- "left" and "right" never stand alone: "to the left of the picture" may mean outside it
- "top" and "bottom" alone: the box within BY_EDGE of that edge and the middle within
  NEAR_END, as "to the top of the picture" may mean on top of it; in "top left" and the
  like: the middle within NEAR_END; else "upper" and "lower"
- left, right, top, bottom: the middle within SIDE of that side, and the box
  not beyond REACH of the picture
- central: the middle within INNER of the picture's, or the box lies across
  both SIDE lines; center: within CENTER
- these cover every box; where one may say left or central, both are true
- corner: the middle within CORNER of two sides, and the box in that quarter
- half, third, quarter: the whole box lies in it, clear of its inner edge
- edge: the box within AT_EDGE of it
"""

from __future__ import annotations

from datagen.imaging.box_relations import MARGIN, Axis, Region
from datagen.models.instructions.facts import (
    BE,
    CENTERED,
    CLEAR_OF_EDGES,
    NEAR_EDGE,
    STAY,
    Fact,
    Predicate,
    Verb,
    Voice,
    shares,
)
from datagen.models.instructions.postures import APPEAR

SIDE = 0.35
REACH = 0.7
INNER = 0.17
ACROSS = 0.32
CENTER = 0.1
CORNER = 0.25
AT_EDGE = 0.03
BY_EDGE = 0.06
NEAR_END = 0.25

_ENDS: dict[Axis, tuple[tuple[str, ...], tuple[str, ...]]] = {
    0: (("left",), ("right",)),
    1: (("top", "upper"), ("bottom", "lower")),
}


def end(region: Region, axis: Axis) -> int | None:
    """0 for left (top), 1 for right (bottom), None for neither."""
    low, high = region.along(axis)
    middle = region.center[axis]
    if middle <= SIDE and high <= REACH:
        return 0
    return 1 if middle >= 1 - SIDE and low >= 1 - REACH else None


def is_central(region: Region, axis: Axis, *, within: float = INNER) -> bool:
    """Whether a region is in the middle of one axis."""
    low, high = region.along(axis)
    spread = within == INNER and low <= ACROSS and high >= 1 - ACROSS
    return spread or abs(region.center[axis] - 0.5) <= within


def positions(region: Region) -> list[str]:
    """All true words for "to the ... of the picture"; at least one."""
    column, row = end(region, 0), end(region, 1)
    found = [*_parts(region, 0), *_parts(region, 1)]
    if column is not None and row is not None:
        return [*_corners(region, column, row), *found]
    if column is not None:
        return [*_sides(region, 0, column), *found]
    if row is not None:
        return [*_sides(region, 1, row), *found]
    central = is_central(region, 0, within=CENTER) and is_central(region, 1, within=CENTER)
    return [*(["center", "center", "middle"] if central else []), "central part", "central area", *found]


def _corners(region: Region, column: int, row: int) -> list[str]:
    side = _ENDS[0][column][0]
    words = _ENDS[1][row] if _is_near_end(region, 1, row) else _ENDS[1][row][1:]
    pairs = [f"{word} {side}" for word in words]
    found = [*pairs, *(f"{pair} part" for pair in pairs), f"{pairs[-1]} area"]
    x, y = (_depth(region, axis, which) for axis, which in _both_axes(column, row))
    if max(x[1], y[1]) <= 0.5 - MARGIN:
        found += [f"{pair} quarter" for pair in pairs]
        if max(sum(x), sum(y)) / 2 <= CORNER:
            found += [f"{pair} corner" for pair in pairs]
    return found


def _both_axes(column: int, row: int) -> tuple[tuple[Axis, int], tuple[Axis, int]]:
    return (0, column), (1, row)


def _sides(region: Region, axis: Axis, which: int) -> list[str]:
    """Words for an object at one side, away from both ends of that side."""
    return _columns(region, which) if axis == 0 else _rows(region, which)


def _columns(region: Region, which: int) -> list[str]:
    side = _ENDS[0][which][0]
    found = [f"{side} side", f"{side}-hand side", f"{side} part"]
    return [*found, f"center {side}", f"middle {side}"] if is_central(region, 1, within=CENTER) else found


def _rows(region: Region, which: int) -> list[str]:
    outer, inner = _ENDS[1][which]
    found = [f"{inner} part", f"{inner} part", f"{inner} area"]
    is_near = _is_near_end(region, 1, which)
    if is_near and _depth(region, 1, which)[0] <= BY_EDGE:
        found += [outer]
    if is_central(region, 0, within=CENTER):
        found += [f"{outer if is_near else inner} center", f"{inner} middle"]
    return found


def _is_near_end(region: Region, axis: Axis, which: int) -> bool:
    """Whether the middle is so near an end of the axis that "top" or "bottom" alone is right."""
    return sum(_depth(region, axis, which)) / 2 <= NEAR_END


def _depth(region: Region, axis: Axis, which: int) -> tuple[float, float]:
    """Where a region begins and ends, measured from the given end of the axis."""
    low, high = region.along(axis)
    return (low, high) if which == 0 else (1 - high, 1 - low)


def _parts(region: Region, axis: Axis) -> list[str]:
    """The halves, thirds and edges of the picture that contain the whole region."""
    found = []
    for which in (0, 1):
        near, far = _depth(region, axis, which)
        words = _ENDS[axis][which]
        if far <= 1 / 2 - MARGIN:
            found += [f"{words[-1]} half"]
        if far <= 1 / 3 - MARGIN:
            found += [f"{words[-1]} third"]
        if near <= AT_EDGE and far <= SIDE:
            found += [f"{words[0]} edge"]
    return found


def place_facts(region: Region, *, voice: Voice) -> list[Fact]:
    """Statements that locate the subject more precisely."""
    return [*_centered(region, voice), *_at_edges(region, voice), *_ways(region, voice), *_inside(region, voice)]


def _place(phrases: list[str], voice: Voice, *, verbs: tuple[Verb, ...] = (), put: str = "place") -> list[Fact]:
    return [
        Fact(
            "place",
            predicates=tuple(Predicate(verb, phrase) for verb in verbs or voice.resting),
            adjuncts=(phrase,),
            openers=(phrase,),
            commands=(f"{put} {voice.them} {phrase}",),
        )
        for phrase in phrases
    ]


def _centered(region: Region, voice: Voice) -> list[Fact]:
    off_x, off_y = (abs(center - 0.5) for center in region.center)
    if max(off_x, off_y) <= CENTERED:
        return _place([f"centered in the {voice.picture}"], voice, verbs=(BE, APPEAR), put="keep")
    if min(off_x, off_y) > CENTERED:
        return []
    return _place(["centered horizontally" if off_x < off_y else "centered vertically"], voice, verbs=(BE,), put="keep")


def _at_edges(region: Region, voice: Voice) -> list[Fact]:
    gaps = {"left": region.x0, "right": 1 - region.x1, "top": region.y0, "bottom": 1 - region.y1}
    if min(gaps.values()) >= CLEAR_OF_EDGES:
        return _place(["well clear of the edges"], voice, verbs=(BE, STAY), put="keep")
    near = [name for name, free in gaps.items() if MARGIN / 2 <= free <= NEAR_EDGE]
    return _place([f"close to the {name} edge" for name in near], voice, put="keep")


def _ways(region: Region, voice: Voice) -> list[Fact]:
    """How far the middle is from the nearer side and from the top."""
    x, y = region.center
    across = ("left", x) if x <= 0.5 else ("right", 1 - x)
    facts = []
    for share in shares(across[1]):
        way = f"{share} of the way in from the {across[0]}"
        facts.append(_middle(way, voice))
    for share in shares(y):
        facts.append(_middle(f"{share} of the way down the {voice.picture}", voice))
    return facts


def _middle(way: str, voice: Voice) -> Fact:
    return Fact(
        "place",
        adjuncts=(f"with {voice.its} middle {way}", f"{voice.its} center {way}"),
        openers=(f"with {voice.its} center {way}",),
        commands=(f"put {voice.its} center {way}", f"place {voice.its} middle {way}"),
        clauses=(f"{voice.its} center is {way}", f"{voice.its} middle is {way}", f"{voice.its} center falls {way}"),
    )


def _inside(region: Region, voice: Voice) -> list[Fact]:
    halves = [part for axis in _ENDS for part in _parts(region, axis) if part.endswith(("half", "third"))]
    phrases = [f"{word} in the {part} of the {voice.picture}" for part in halves for word in ("entirely", "wholly")]
    return _place(phrases, voice, put="keep")
