"""An editing session as a film strip: one frame a turn, with its box, the other candidates and its conflicts.

Values may come from a damaged ledger or KEY.json: what is invalid counts as missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any, NamedTuple

from datagen.core.fields import Box
from datagen.report.cells import is_number

_NAMED = 4
"""Candidates of a turn whose scores are written."""


class FilmCandidate(NamedTuple):
    """A box that was proposed for a turn: xyxy in pixels of the source."""

    box: Box
    score: float | None
    chosen: bool


class FilmConflict(NamedTuple):
    """A relation to an earlier turn that makes both unfit to be one edit; `first` is 0 where no turn is meant."""

    first: int
    kind: str
    reason: str

    def line(self) -> str:
        """The conflict in words."""
        return f"{self.kind}{f' with turn {self.first}' if self.first else ''}: {self.reason}"


class FilmTurn(NamedTuple):
    """One turn. `turn` is its number in the session; `picture` names the picture after it, '' if there is none."""

    turn: int
    instruction: str
    op: str
    object: str
    picture: str
    box: Box | None
    candidates: tuple[FilmCandidate, ...]
    """The chosen one first, then those with the highest scores."""
    conflicts: tuple[FilmConflict, ...]

    def lines(self) -> list[str]:
        """The turn in words: what was asked, its box, how the other candidates scored, and what it conflicts with."""
        about = " ".join(filter(None, (self.op, self.object)))
        score = next((_scored(each) for each in self.candidates if each.chosen), "")
        others = [_scored(each) for each in self.candidates if not each.chosen]
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        edges = " ".join(f"{edge:.5g}" for edge in self.box or ())
        boxes = [f"box {edges}{f', scored {score}' if score else ''}"] if self.box else []
        boxes += [f"not chosen: {', '.join(others[:_NAMED])}{more}"] if others else []
        told = [each.line() for each in self.conflicts]
        return [f"turn {self.turn}{f' ({about})' if about else ''}: {self.instruction}", *boxes, *told]


def _scored(candidate: FilmCandidate) -> str:
    return "unscored" if candidate.score is None else f"{candidate.score:.4g}"


def film_of(values: Mapping[str, Any]) -> tuple[FilmTurn, ...]:
    """The turns of a record with the fields `edits` and `steps`, one row of each a turn; () if it has not both.

    `first_turn` and `conflicts` count if they are there.
    """
    edits, steps = rows_in(values.get("edits")), rows_in(values.get("steps"))
    if not steps or len(edits) != len(steps):
        return ()
    first = values.get("first_turn")
    numbers = count(first if isinstance(first, int) else 1)
    conflicts = rows_in(values.get("conflicts"))
    return tuple(_turn(*found, conflicts) for found in zip(numbers, edits, steps, strict=False))


def _turn(number: int, edit: Mapping[str, Any], step: Mapping[str, Any], conflicts: list[dict[str, Any]]) -> FilmTurn:
    box = box_in(edit.get("box"))
    return FilmTurn(
        number,
        str(edit.get("instruction") or step.get("instruction") or ""),
        str(edit.get("op") or ""),
        str(edit.get("object") or ""),
        str(step.get("image") or "").split(".")[0],
        box,
        tuple(sorted(_candidates(edit, box), key=lambda each: (not each.chosen, -(each.score or 0)))),
        tuple(_conflict(each) for each in conflicts if each.get("second") == number),
    )


def _candidates(edit: Mapping[str, Any], chosen: Box | None) -> Iterator[FilmCandidate]:
    for row in rows_in(edit.get("candidates")):
        if box := box_in(row.get("box")):
            score = row.get("score")
            yield FilmCandidate(box, float(score) if is_number(score) else None, box == chosen)


def _conflict(row: Mapping[str, Any]) -> FilmConflict:
    first = row.get("first")
    return FilmConflict(
        first if isinstance(first, int) else 0, str(row.get("kind") or ""), str(row.get("reason") or "")
    )


def rows_in(value: Any) -> list[dict[str, Any]]:
    """The mappings in a list; [] if the value is no list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def box_in(value: Any) -> Box | None:
    """Four finite numbers as a box, else None."""
    if isinstance(value, list | tuple) and len(value) == 4 and all(is_number(edge) for edge in value):
        return value[0], value[1], value[2], value[3]
    return None
