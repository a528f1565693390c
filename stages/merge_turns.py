"""Make one edit of several consecutive turns of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen import Children, Expand, Image, Record, Reject, StageConfig
from datagen.core.sample_rows import edit_row, source_row
from datagen.models.joiners.sentences import join_sentences
from datagen.models.session_judges.base import is_conflict

Turns = Sequence[Mapping[str, Any]]


class MergeTurns(Expand):
    """Make one record of every run of consecutive turns (MCIE, section 3.1): of four turns 3 + 2 + 1.

    A window starts from the picture before its first turn, and its target is the picture after its last; `turns` are
    the pictures between. It never spans a turn that is lost, broken or faulty (see `gather_turns`). `edits` and `steps`
    have one row a turn. `masks[0]` is the union of the turns' boxes, the others are one box each; a global turn, or one
    without a box, has the whole frame. `conflicts` has the relations of `turn_relations` that are a conflict in the
    window: both turns are in it, or its words reach to a turn before its first one. `text` has the instructions as
    sentences. Rejects a session without a window as `no_window`.
    """

    reads = ("states", "session_turns", "turn_relations")
    writes = (
        *("source", "target", "turns", "text", "edits", "steps", "masks", "conflicts"),
        *("first_turn", "turn_count", "inputs", "task"),
    )
    rejects = ("no_window",)
    version = 2

    class Config(StageConfig):
        """Which windows."""

        ordered_pairs = (("min_turns", "max_turns"),)

        min_turns: int = Field(default=2, ge=1)
        """Fewest turns of a window; 1 for single turns too."""
        max_turns: int | None = Field(default=None, ge=1)
        """Most turns of a window; null for the whole session."""
        max_windows: int | None = Field(default=None, ge=1)
        """Most windows of a session; those without conflicts are taken first, and of these by chance."""

    config: Config

    def process(self, batch: list[Record]) -> list[Children]:
        """The windows of each session, shorter ones first."""
        return [self._windows(record) for record in batch]

    def _windows(self, record: Record) -> Children:
        turns, longest = record["session_turns"], self.config.max_turns or len(record["session_turns"])
        lengths = range(self.config.min_turns, min(longest, len(turns)) + 1)
        runs = [(length, start) for length in lengths for start in range(len(turns) - length + 1)]
        whole = [(length, start) for length, start in runs if _is_whole(turns[start : start + length])]
        if not whole:
            broken = [f"turn {turn['turn']} {turn['faulty'] or turn['broken']}" for turn in turns if _fault(turn)]
            return Reject("no_window", f"{len(turns)} turns{': ' if broken else ''}{', '.join(broken)}")
        windows = [_window(record, turns[start : start + length]) for length, start in whole]
        return [windows[index] for index in self._chosen(record, windows)]

    def _chosen(self, record: Record, windows: Sequence[Mapping[str, Any]]) -> list[int]:
        """The indices of the windows that are taken, in their order."""
        most = self.config.max_windows or len(windows)
        draws = self.rng(record).random(len(windows))
        ranked = sorted(range(len(windows)), key=lambda index: (len(windows[index]["conflicts"]) > 0, draws[index]))
        return sorted(ranked[:most])


def _fault(turn: Mapping[str, Any]) -> str:
    return str(turn["faulty"] or turn["broken"])


def _is_whole(turns: Turns) -> bool:
    """Whether turns follow each other, and each of them can be used."""
    return not any(turn["faulty"] for turn in turns) and not any(turn["broken"] for turn in turns[1:])


def _window(record: Record, turns: Turns) -> dict[str, Any]:
    states, first, last = record["states"], turns[0], turns[-1]
    source: Image = states[first["before"]]
    masks = [_mask(turn, source.size) for turn in turns]
    relations = record["turn_relations"]
    return {
        "source": source,
        "target": states[last["after"]],
        "turns": [states[turn["after"]] for turn in turns[:-1]],
        "text": join_sentences([turn["text"] for turn in turns]),
        "edits": [_edit(turn, number) for number, turn in enumerate(turns, 1)],
        "steps": [_step(turn, number, len(turns)) for number, turn in enumerate(turns)],
        "masks": [np.logical_or.reduce(masks), *masks],
        "conflicts": [each for each in relations if is_conflict(each, first=first["turn"], last=last["turn"])],
        "first_turn": first["turn"],
        "turn_count": len(turns),
        "inputs": [source_row()],
        "task": "complex_edit",
    }


def _edit(turn: Mapping[str, Any], number: int) -> dict[str, Any]:
    row = edit_row(
        turn["text"], operation=turn["op"], subject=turn["object"], box=turn["box"], mask=f"mask_{number}.png"
    )
    # A box of the change map has no score.
    scored = [each for each in turn["candidates"] if each.get("score") is not None]
    return {**row, "candidates": [{"box": each["box"], "score": each["score"]} for each in scored]}


def _step(turn: Mapping[str, Any], number: int, count: int) -> dict[str, Any]:
    return {"instruction": turn["text"], "image": "target" if number == count - 1 else f"turn_{number}"}


def _mask(turn: Mapping[str, Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels that a turn may change: its box, whole pixels that it touches; else the frame."""
    mask_HW = np.zeros(size[::-1], np.bool_)
    if not turn["box"] or any(_is_global(part) for part in turn["parts"]):
        mask_HW[:] = True
        return mask_HW
    x0, y0, x1, y1 = turn["box"]
    mask_HW[max(0, int(y0)) : int(np.ceil(y1)), max(0, int(x0)) : int(np.ceil(x1))] = True
    return mask_HW


def _is_global(part: Mapping[str, Any]) -> bool:
    """Whether a part changes the whole picture; an order for later turns changes nothing itself."""
    return part["op"] == "global" and "standing" not in part["cues"]
