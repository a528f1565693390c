"""The text of a comparison, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from datagen.compare.diff import DatasetSummary, Diff, Shift, Transition
from datagen.progress.progress_text import short_printable

_SHOWN = 3
"""Examples that are shown of a transition."""


def diff_lines(found: Diff) -> Iterator[str]:
    """Lines with both sides, differences of the configs, transitions of records, and changes of scores."""
    yield f"A  {_side(found.a)}"
    yield f"B  {_side(found.b)}"
    yield from (f"note: {note}" for note in found.notes)
    yield "set differently:" if found.settings else "set differently: nothing"
    for setting in found.settings:
        yield f"  {setting.stage or 'pipeline'}: {short_printable(setting.change)}"
    yield "records, from A to B:"
    yield f"  {found.kept:>9,} samples are in both, and the same"
    for transition in found.transitions:
        yield f"  {transition.records:>9,} {_transition(transition)}"
    if found.unchanged:
        yield f"  {found.unchanged:>9,} were accepted in neither, and ended alike"
    yield from _scores(found.scores)


def _scores(shifts: list[Shift]) -> Iterator[str]:
    moved = [shift for shift in shifts if shift.changed]
    if moved:
        yield "scores, mean of the records that have them in both:"
    for shift in moved:
        yield f"  {shift.name}: {shift.before:g} -> {shift.after:g}, another in {shift.changed:,} of {shift.records:,}"
    if still := [shift.name for shift in shifts if not shift.changed]:
        yield f"scores that are the same in all records: {', '.join(still)}"


def _side(side: DatasetSummary) -> str:
    lost = f", {side.failed:,} failed" if side.failed else ""
    return f"{side.out}: {side.accepted:,} of {side.records:,} records accepted{lost}; fingerprint {side.fingerprint}"


def _transition(transition: Transition) -> str:
    names = ", ".join(short_printable(example.id) for example in transition.examples[:_SHOWN])
    more = ", ..." if transition.records > _SHOWN else ""
    return f"{headline(transition)} ({names}{more})"


def headline(transition: Transition) -> str:
    """One line that says what happened to the records of a transition."""
    if transition.kind == "changed":
        return "changed: in both, but with other pictures or words"
    return f"{transition.kind}: {transition.before} -> {transition.after}"
