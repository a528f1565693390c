"""The protocol of session judges, and how relations of turns make conflicts of windows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, get_args

if TYPE_CHECKING:
    from datagen.imaging.image import Image

RelationKind = Literal[
    "undo", "same_object", "count_of", "needs_result", "order", "dangling", "standing_order", "unknown"
]
KINDS: tuple[str, ...] = get_args(RelationKind)
"""All kinds, the most telling first:

- `undo`: the later turn takes back what the earlier one did, by its words or by what it does.
- `same_object`: both edit one thing, also if its name changed between them.
- `count_of`: the later turn is about one of several things that the earlier one brought: "one of the three".
- `needs_result`: the later turn names as its place what the earlier one brought, moved or renamed.
- `order`: one of them moves all that the picture shows (a flip, turn, crop or zoom), and the other one edits a part or
  moves all too, whatever their words say. A global change of colour, light or style moves nothing.
- `dangling`: the later turn's words rely on the words of the earlier one: it, another, undo that.
- `standing_order`: the earlier turn is an order for later ones, and the later one brings something new.
- `unknown`: one of them was not understood, so that they may conflict in any way.
"""
REACHING: frozenset[str] = frozenset(("dangling", "standing_order"))
"""Kinds that are a conflict where the earlier turn is missing; the others are one where both turns are there."""
Turn = Mapping[str, Any]
"""A row of the field `session_turns`."""


class JudgedRelation(NamedTuple):
    """How a turn stands to an earlier one."""

    first: int
    """Number of the earlier turn; 0 if the later one relies on something that no turn of the session names."""
    second: int
    """Number of the later turn."""
    kind: RelationKind
    reason: str
    """Why, in words."""


class SessionJudge(Protocol):
    """Judges all pairs of a session's turns at once."""

    async def judge(self, turns: Sequence[Turn], states: Sequence[Image], *, record: str) -> list[JudgedRelation]:
        """The relations of the turns of the session record with this id, by second and first turn.

        `turns` are in their order; `before` and `after` of each are indices into `states`. Raises `DataError` if there
        is no judgement; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...


def is_conflict(relation: Mapping[str, Any], *, first: int, last: int) -> bool:
    """Whether a relation is a conflict in the window of the turns `first` to `last`.

    It is one if both turns are in the window, or, for the kinds in `REACHING` and for what no turn names, if the later
    turn is in the window and the earlier one is not.
    """
    if not first <= relation["second"] <= last:
        return False
    reaches_out = relation["first"] < first
    return reaches_out if relation["kind"] in REACHING or relation["first"] == 0 else not reaches_out


def in_order(relations: Iterable[JudgedRelation]) -> list[JudgedRelation]:
    """The relations by second and first turn, then by kind; of equal ones the first."""
    unique = {(each.second, each.first, KINDS.index(each.kind)): each for each in reversed(list(relations))}
    return [unique[key] for key in sorted(unique)]
