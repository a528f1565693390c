"""Which turns of a session conflict, by what they did: the truth that judges are measured against.

Kinds of relation of a later turn to an earlier one:

- `same_object`: both change one object; `undo`: the later one takes the earlier one back
- `needs_result`: it names, as a place, what the earlier one brought, moved or renamed (a new colour is a new name);
  `count_of`: it counts what the earlier one brought
- `order`: one mirrors the picture, the other one is about a part of it: its box is not where the change shows, and a
  left or right in its words depends on the order
- `dangling`: its words mean something only after the earlier one (it, another, undo)
- `standing_order`: it follows an order that the earlier one gave for all later turns

A window of turns conflicts if one of the first five holds between two of its turns, or one of the last two with a turn
before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple

from datagen.worlds.scene import Scene, SceneObject

Kind = Literal["same_object", "undo", "needs_result", "count_of", "order", "dangling", "standing_order"]
KINDS: Final[tuple[Kind, ...]] = (
    *("same_object", "undo", "needs_result", "count_of", "order"),
    *("dangling", "standing_order"),
)
REFERENCES: Final = ("dangling", "standing_order")
"""Kinds that matter to a window which starts after the first of the two turns; the others to one that has both."""


@dataclass(frozen=True)
class TurnFacts:
    """What one turn did, and what its words rely on. Turns are counted from 1."""

    before: Scene
    after: Scene
    touched: tuple[int, ...] = ()
    """Numbers of the objects that it changed, brought or took away."""
    place: str = ""
    """The place that its words name."""
    anchor: int = 0
    """Number of the object that its words name as a place; 0 for none."""
    follows: int | None = None
    """The turn without which its words mean nothing; 0 for one that never was, None if they stand alone."""
    ordered_by: int = 0
    """The turn whose standing order it follows; 0 for none."""
    counts: int = 0
    """The turn whose objects its words count; 0 for none."""
    undoes: int = 0
    """The turn that its words take back; 0 for none."""

    @property
    def is_flip(self) -> bool:
        """Whether it mirrored the picture."""
        return self.before.background.mirrored != self.after.background.mirrored

    @property
    def tones(self) -> tuple[str, ...]:
        """The changes of tone that it made to the whole picture."""
        return self.after.background.tones[len(self.before.background.tones) :]


class TurnRelation(NamedTuple):
    """What stands between two turns; `first` is 0 if the later one refers to a turn that never was."""

    first: int
    second: int
    kind: Kind
    reason: str
    sure: bool
    """Whether a judge has to find it; if not, it may, as another relation of the two says more."""


def find_relations(turns: Sequence[TurnFacts]) -> list[TurnRelation]:
    """All relations of the turns of a session, by the later one."""
    found = []
    for number, later in enumerate(turns, 1):
        if later.follows == 0:
            found.append(TurnRelation(0, number, "dangling", "its words refer to a turn that never was", True))
        for first in range(1, number):
            found += _between(first, number, turns)
    return found


def window_conflicts(relations: Iterable[TurnRelation], *, first: int, last: int) -> list[TurnRelation]:
    """The relations because of which the turns `first` to `last` are no single edit."""
    return [relation for relation in relations if _counts(relation, first, last)]


def _counts(relation: TurnRelation, first: int, last: int) -> bool:
    if not first <= relation.second <= last:
        return False
    return relation.first < first if relation.kind in REFERENCES else relation.first >= first


def _between(first: int, second: int, turns: Sequence[TurnFacts]) -> list[TurnRelation]:
    earlier, later = turns[first - 1], turns[second - 1]
    found: list[tuple[Kind, str]] = []
    common = [id for id in later.touched if id in earlier.touched]
    if later.counts == first:
        found.append(("count_of", f"it counts what turn {first} brought"))
    if later.undoes == first:
        found.append(("undo", f"its words take turn {first} back"))
    elif any(_is_taken_back(id, earlier, later) for id in common):
        found.append(("undo", f"object {common[0]} is as it was before turn {first}"))
    if later.anchor and later.anchor in earlier.touched:
        found.append(("needs_result", f"it places something by object {later.anchor} of turn {first}"))
    if common:
        found.append(("same_object", f"both change object {common[0]}"))
    told = [TurnRelation(first, second, kind, reason, sure=number == 0) for number, (kind, reason) in enumerate(found)]
    if _order_matters(earlier, later):
        told.append(TurnRelation(first, second, "order", "one mirrors the picture, one edits a part of it", True))
    if later.follows == first:
        told.append(TurnRelation(first, second, "dangling", f"its words refer to turn {first}", True))
    if later.ordered_by == first:
        told.append(TurnRelation(first, second, "standing_order", f"turn {first} gave an order for it", True))
    return told


def _is_taken_back(id: int, earlier: TurnFacts, later: TurnFacts) -> bool:
    return _bare(earlier.before.get(id)) == _bare(later.after.get(id))


def _bare(thing: SceneObject | None) -> SceneObject | None:
    """An object apart from what a turn did to the whole picture."""
    return thing and replace(thing, tones=())


def _order_matters(earlier: TurnFacts, later: TurnFacts) -> bool:
    return (earlier.is_flip and bool(later.touched)) or (later.is_flip and bool(earlier.touched))
