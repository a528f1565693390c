"""Gather the turns of an editing session into one record."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from pydantic import Field

from datagen import Combine, Image, Joined, Lost, Merged, Record, Reject, StageConfig

TURN = ("turn", "text", "op", "object", "renamed_to", "refers_to", "parts")
"""Fields of a turn's record that its row has under the same names."""


class GatherTurns(Combine):
    """Make one record of the turns of a session, in the order of their numbers.

    `states` are the pictures: before the first turn, then after each. `session_turns` has one row a turn, with `before`
    and `after`, the indices of its pictures in `states`. Windows of turns never span what is wrong with a session:

    - `broken` says why a turn does not follow the turn before it: `lost` (a turn between them was rejected, failed, or
      is not there), `resized` (its picture has another size), `unlike` (it starts from another picture); '' if it does.
    - `faulty` says why a turn cannot be in any window: `unchanged` (both pictures are equal), `resized` (they have
      different sizes); '' if it can.

    Rejects a session with fewer than `min_turns` as `too_few_turns`, with more than `max_turns` as `too_many_turns`,
    and one that has a number twice as `repeated_turn`: which of the two comes next cannot be known.
    """

    reads = (*TURN, "session", "source", "target")
    optional = ("box", "box_score", "box_terms")
    writes = ("states", "session_turns")
    rejects = ("too_few_turns", "too_many_turns", "repeated_turn")
    version = 1
    by = "session"

    class Config(StageConfig):
        """What a session has to be."""

        ordered_pairs = (("min_turns", "max_turns"),)

        min_turns: int = Field(default=2, ge=1)
        """Fewest turns; 1 where single turns are wanted too."""
        max_turns: int = Field(default=24, ge=1, le=100)
        """Most turns."""
        max_seam: float = Field(default=0.02, ge=0, le=1)
        """Largest mean difference, 0 to 1, of the picture after a turn from the one with which the next turn starts; a
        codec adds 0.01 to 0.02."""

    config: Config

    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        """Make one record of one session."""
        turns = sorted(records, key=lambda record: (record["turn"], record.id))
        gone = f"; {len(lost)} were lost on the way" if lost else ""
        if len(turns) < self.config.min_turns:
            return Reject("too_few_turns", f"{len(turns)} < {self.config.min_turns}{gone}")
        if len(turns) > self.config.max_turns:
            return Reject("too_many_turns", f"{len(turns)} > {self.config.max_turns}")
        if twice := next((one for one, two in pairwise(turns) if one["turn"] == two["turn"]), None):
            return Reject("repeated_turn", f"turn {twice['turn']} is there twice")
        return [Merged(turns[0], self._gathered(turns))]

    def _gathered(self, turns: Sequence[Record]) -> dict[str, Any]:
        states: list[Image] = []
        rows: list[dict[str, Any]] = []
        for turn in turns:
            broken = self._break(rows[-1], states[-1], turn) if rows else ""
            if broken or not states:
                states.append(turn["source"])
            before = len(states) - 1
            states.append(turn["target"])
            rows.append(_row(turn, before=before, broken=broken))
        return {"states": states, "session_turns": rows}

    def _break(self, earlier: dict[str, Any], state: Image, turn: Record) -> str:
        """Why a turn does not start from `state`, the picture after the turn before it; '' if it does."""
        if turn["turn"] != earlier["turn"] + 1:
            return "lost"
        if turn["source"].size != state.size:
            return "resized"
        return "" if difference(turn["source"], state) <= self.config.max_seam else "unlike"


def _row(turn: Record, *, before: int, broken: str) -> dict[str, Any]:
    source, target = turn["source"], turn["target"]
    faulty = "resized" if source.size != target.size else "unchanged" if source == target else ""
    box = turn.get("box") or ()
    return {
        **{name: turn[name] for name in TURN},
        "box": [float(edge) for edge in box] if np.isfinite(box).all() else [],
        "box_score": turn.get("box_score"),
        "candidates": turn.get("box_terms") or [],
        "before": before,
        "after": before + 1,
        "broken": broken,
        "faulty": faulty,
    }


def difference(one: Image, other: Image) -> float:
    """Mean difference of two pictures of one size, 0 to 1."""
    if one is other:
        return 0.0
    return float(np.abs(one.array.astype(np.float32) - other.array.astype(np.float32)).mean() / 255)
