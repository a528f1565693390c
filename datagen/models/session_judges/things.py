"""The things that a session's turns name, followed from turn to turn through renames and movements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from datagen.core.fields import Box
from datagen.imaging.geometry import iou
from datagen.models.grammar import contradicts, kind_of, may_be_same, share_noun

_LEAST_IOU = 0.3
_LEAST_COVERED = 0.6
"""Least share of the smaller box that the larger one covers."""
_SAME_PLACE = 0.5
"""Intersection over union from which an edit is about the thing there, whatever it is called."""


@dataclass
class Thing:
    """One thing of a session."""

    names: list[str]
    """Its names, the newest last."""
    boxes: list[Box]
    """Where turns edited it; [] if no turn says where."""
    turns: list[int] = field(default_factory=list)
    """The turns that edited it."""
    brought: list[int] = field(default_factory=list)
    """Of these, the turns that added it, put it in another's place, or moved it."""
    named: list[tuple[int, str]] = field(default_factory=list)
    """The turns that gave it a name, with the name."""
    gone: int = 0
    """The turn that removed it; 0 if it is there."""
    number: int = 1
    """How many equal things it stands for; 0 for several without a number."""

    @property
    def name(self) -> str:
        """Its newest name."""
        return self.names[-1]

    def may_lie_in(self, boxes: Sequence[Box]) -> bool:
        """Whether an edit in `boxes` can be of this thing; True if either place is unknown."""
        pairs = [*product(boxes, self.boxes)]
        return not pairs or any(overlaps(box, own) for box, own in pairs)

    def lies_in(self, boxes: Sequence[Box]) -> bool:
        """Whether an edit in `boxes` is surely of this thing, whatever it is called."""
        return self.number == 1 and any(iou(box, own) >= _SAME_PLACE for box, own in product(boxes, self.boxes))

    def holds(self, boxes: Sequence[Box]) -> bool:
        """Whether one of the boxes lies inside one of its own."""
        return any(covered(box, own) >= _LEAST_COVERED for box, own in product(boxes, self.boxes))

    def is_called(self, name: str) -> bool:
        """Whether a name may be its newest one."""
        return bool(name) and may_be_same(name, self.name)


def overlaps(one: Box, other: Box) -> bool:
    """Whether two boxes are of one place: 0.3 of their union is shared, or 0.6 of the smaller one."""
    return iou(one, other) >= _LEAST_IOU or max(covered(one, other), covered(other, one)) >= _LEAST_COVERED


def covered(box: Box, by: Box) -> float:
    """The share of a box that another one covers."""
    width, height = (max(0, min(box[i + 2], by[i + 2]) - max(box[i], by[i])) for i in (0, 1))
    area = (box[2] - box[0]) * (box[3] - box[1])
    return width * height / area if area > 0 else 0.0


class Things:
    """All things that the turns so far named."""

    def __init__(self) -> None:
        self.all: list[Thing] = []
        self.last: Thing | None = None
        """The thing that was edited last."""

    def add(self, name: str, *, boxes: Sequence[Box], turn: int, number: int = 1) -> Thing:
        """A new thing, as turn `turn` names it."""
        thing = Thing([name], [*boxes], named=[(turn, name)], number=number)
        self.all.append(thing)
        return thing

    def find(self, name: str, boxes: Sequence[Box]) -> Thing | None:
        """The thing that an edit of `name` in `boxes` is about, the one edited last of several; None if none fits."""
        there = [thing for thing in self._newest_first() if not thing.gone]
        for thing in there:
            if thing.is_called(name) and thing.may_lie_in(boxes):
                return thing
        # Another name for it: one with a word in common, or any name where the boxes agree.
        with_place = (each for each in there if boxes and each.boxes)
        alike = (each for each in with_place if share_noun(name, each.name) and each.may_lie_in(boxes))
        # Where one thing left, another one may have come to; their colours tell them apart.
        placed = (each for each in there if each.lies_in(boxes) and not contradicts(name, each.name))
        return next(alike, None) or next(placed, None)

    def pointed_at(self, boxes: Sequence[Box]) -> Thing | None:
        """The thing that a pronoun means: the last one, or the newest in `boxes` if the last is elsewhere."""
        if self.last and self.last.may_lie_in(boxes):
            return self.last
        there = (thing for thing in self._newest_first() if thing.boxes and thing.may_lie_in(boxes))
        return next(there, self.last)

    def removed(self, name: str, boxes: Sequence[Box]) -> Thing | None:
        """The removed thing that an addition of `name` in `boxes` brings back."""
        gone = (thing for thing in self._newest_first() if thing.gone)
        return next((thing for thing in gone if thing.is_called(name) and thing.may_lie_in(boxes)), None)

    def of_kind(self, name: str) -> Thing | None:
        """The newest thing of the kind that a name is of."""
        kind = kind_of(name)
        return next((thing for thing in self._newest_first() if kind and kind_of(thing.name) == kind), None)

    def relied_on(self, name: str, *, holds: Sequence[Box] = ()) -> Thing | None:
        """The newest thing that a phrase of place names; else, by another name, the newest around one of `holds`."""
        there = [thing for thing in self._newest_first() if not thing.gone]
        called = next((thing for thing in there if thing.is_called(name)), None)
        return called or next((each for each in there if each.holds(holds) and not contradicts(name, each.name)), None)

    def several(self, name: str, boxes: Sequence[Box]) -> Thing | None:
        """The newest equal things of which one in `boxes`, by another name than theirs, may be one."""
        counted = (thing for thing in self._newest_first() if thing.number != 1 and not thing.gone)
        return next((each for each in counted if each.holds(boxes) and not contradicts(name, each.name)), None)

    def forget_places(self) -> None:
        """After a flip or the like nothing is where it was."""
        for thing in self.all:
            thing.boxes.clear()

    def _newest_first(self) -> list[Thing]:
        return sorted(self.all, key=lambda thing: -max(thing.turns, default=0))
