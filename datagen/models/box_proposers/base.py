"""The role of box proposers, which give candidates for the box of an edit, from its pictures and its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from datagen.core.fields import Box
from datagen.imaging.image import Image

Side = Literal["source", "target"]


class EditedPair(NamedTuple):
    """One edit: its pictures, and what its instruction says."""

    source: Image
    target: Image
    op: str = "unknown"
    """As the field `op`."""
    object: str = ""
    """What the edit is about, '' if that is not known."""
    renamed_to: str = ""
    """What it is called after the edit, '' if it keeps its name."""


class BoxCandidate(NamedTuple):
    """A box that may be that of the edit."""

    box: Box
    """xyxy in pixels of the source."""
    by: str
    """What proposed it."""
    side: str = ""
    """In which picture it was found: `source`, `target`, or '' if in both."""
    score: float | None = None
    """How sure a detector was, on its own scale."""


class BoxProposer(Protocol):
    """Proposes boxes."""

    async def propose(self, pair: EditedPair, *, record: str) -> list[BoxCandidate]:
        """All candidates for the record with this id, best first; they may be wrong, but they are valid boxes."""
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...


def is_global_edit(*, op: str | None, scope: str | None, parts: Sequence[Mapping[str, Any]] = ()) -> bool:
    """Whether an edit changes the whole picture: as its `op` says, or its `scope` if the `op` is not known.

    An order for later turns changes nothing itself: an edit whose `parts` (the field) have no other global one is not.
    """
    if op == "global":
        whole = [part for part in parts if part["op"] == "global"]
        return not whole or any("standing" not in part["cues"] for part in whole)
    return op in (None, "", "unknown") and scope == "global"


_PLACES = {"move": 2, "undo": 2}
"""Most places that a part of an operation changes, if not one: a move empties one place and fills another."""
_SEVERAL = 4
"""Most places of several things that are not counted."""


def most_places(parts: Sequence[Mapping[str, Any]]) -> int:
    """How many separate places an edit of these parts (the field `parts`) may change; 1 if there are none."""
    told = [part for part in parts if "standing" not in part["cues"]]
    return sum(_PLACES.get(part["op"], 1) * (1 if part["count"] else _SEVERAL) for part in told) or 1


_SIDES: dict[str, tuple[Side, ...]] = {"add": ("target",), "remove": ("source",)}
"""Where to look for what an operation is about, if not in both pictures."""


def searches(pair: EditedPair) -> list[tuple[Side, str]]:
    """In which picture what is looked for: what was added is in the target alone, what was removed in the source.

    Anything else is looked for in both, what it was in the source and what it became in the target. Empty if the
    instruction names nothing.
    """
    sides = _SIDES.get(pair.op, ("source", "target"))
    phrases: dict[Side, str] = {"source": pair.object.strip(), "target": pair.renamed_to.strip() or pair.object.strip()}
    return [(side, phrases[side]) for side in sides if phrases[side]]


def on_source(box: Box, side: Side, pair: EditedPair) -> Box:
    """A box of one side in pixels of the source: the two pictures may differ in size."""
    if side == "source":
        return box
    wide, high = (pair.source.size[axis] / pair.target.size[axis] for axis in (0, 1))
    return box[0] * wide, box[1] * high, box[2] * wide, box[3] * high
