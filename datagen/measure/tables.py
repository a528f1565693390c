"""The text of a measurement: tables for a terminal, with the aims beside the values."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table

from datagen.measure.boxes import KEPT, PIPELINE, BoxShares
from datagen.measure.conflicts import ANY, WINDOW
from datagen.measure.intervals import Share
from datagen.measure.measurement import Measurement, WordingResults

WIDTH: Final = 180
"""Columns of the tables, wherever they are printed."""
MILD, STRONG, CONFLICTS, RIGHT_SAMPLES, YIELD = 0.95, 0.90, 0.95, 0.95, 0.7


@dataclass(frozen=True)
class Aim:
    """A value that is aimed at."""

    what: str
    least: float
    found: float | None
    """None if it was not measured."""

    @property
    def reached(self) -> bool:
        """Whether the value is there."""
        return self.found is not None and self.found >= self.least


def aims_of(found: Measurement) -> list[Aim]:
    """The aims with what was found on the split that is measured, whose wording comes first."""
    boxes = {each.rule: each for each in found.boxes if each.rule in (PIPELINE, KEPT)}
    results = found.results[0]
    kinds = {each.kind: each.accuracy.f1.value for each in results.conflicts if each.accuracy.true}
    return [
        *(Aim(f"boxes {rule}, mild damage", MILD, each.mild.value) for rule, each in boxes.items()),
        *(Aim(f"boxes {rule}, strong damage", STRONG, each.strong.value) for rule, each in boxes.items()),
        *(Aim(f"F1 of conflicts, {_kind(kind)}", CONFLICTS, f1) for kind, f1 in kinds.items()),
        Aim("accepted samples right in every respect, lower bound", RIGHT_SAMPLES, results.samples.right.low),
        Aim("right candidates that are accepted", YIELD, results.samples.yielded.value),
    ]


def measurement_text(found: Measurement) -> str:
    """All tables as text."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, legacy_windows=False)
    for part in _parts(found):
        console.print(part, markup=False, highlight=False)
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _parts(found: Measurement) -> Iterator[RenderableType]:
    damages, photographs = ", ".join(found.damages), ", ".join(found.photographs)
    yield f"{found.pipeline}: {found.sessions:,} drawn sessions of each wording, seed {found.seed}, split {found.split}"
    yield f"damage: {damages}, of strengths 1 (mild) and 2 (strong)"
    yield f"photographs ({len(found.photographs)}): {photographs}"
    yield "candidates: what the pipeline proposed, or boxes drawn around the truth; with the map's own box, or without"
    yield "in brackets 95 % intervals by photograph: the wider of the bootstrap over photographs and Wilson's"
    yield from (f"note: {note}" for note in found.notes)
    yield ""
    yield from _box_tables(found)
    yield _conflict_table(found.results)
    yield _sample_table(found.results)
    yield from _faults(found.results)
    yield ""
    yield _aim_table(aims_of(found))
    yield from (f"not measured: {what} ({why})" for what, why in found.not_measured.items())


def _box_tables(found: Measurement) -> Iterator[Table]:
    damages = [*dict.fromkeys(name for row in found.boxes for name in row.by_damage)]
    ops = [*dict.fromkeys(name for row in found.boxes for name in row.by_op)]
    first = [(row, (row.mild, row.strong, *map(row.by_damage.get, damages))) for row in found.boxes]
    yield _box_table("boxes with IoU > 0.5, by damage", ("mild", "strong", *damages), first, found.not_measured)
    second = [(row, tuple(map(row.by_op.get, ops))) for row in found.boxes]
    yield _box_table("boxes with IoU > 0.5, by operation", ops, second, found.not_measured)


def _box_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[tuple[BoxShares, Sequence[Share | None]]],
    not_measured: Iterable[str],
) -> Table:
    table = _table(title, "candidates and rule", "of", "all", *columns)
    candidates = ""
    for row, shares in rows:
        if row.candidates != candidates:
            candidates = row.candidates
            table.add_section()
            table.add_row(f"{candidates}:")
        name = f"  {row.rule}" if candidates else row.rule
        table.add_row(name, _cases(row.all), _long(row.all), *map(_short, shares))
    table.add_section()
    for what in not_measured:
        table.add_row(what, "", "not measured")
    return table


def _conflict_table(results: Iterable[WordingResults]) -> Table:
    columns = ("precision", "recall", "F1")
    table = _table("conflicts between turns", "wording", "kind", "true", "found", *columns)
    for result in results:
        for row in result.conflicts:
            accuracy = row.accuracy
            shares = (accuracy.precision, accuracy.recall, accuracy.f1)
            table.add_row(result.wording, _kind(row.kind), str(accuracy.true), str(accuracy.found), *map(_long, shares))
        table.add_section()
    return table


def _kind(kind: str) -> str:
    return {ANY: "pairs, any kind", WINDOW: "windows, yes or no"}.get(kind, kind)


def _sample_table(results: Iterable[WordingResults]) -> Table:
    table = _table("filter of alignment, and samples", "wording", "what", "of", "value")
    for result in results:
        if moved := result.alignment:
            shares = {"precision": moved.accuracy.precision, "recall": moved.accuracy.recall, "F1": moved.accuracy.f1}
            for name, share in shares.items():
                table.add_row(result.wording, f"moved targets, {name}", _cases(share), _long(share))
            error = "-" if moved.error_median is None else f"{moved.error_median:g} median, {moved.error_p95:g} at 95 %"
            table.add_row(result.wording, "error of the measured shift, pixels", str(moved.judged), error)
        right, yielded = result.samples.right, result.samples.yielded
        table.add_row(result.wording, "accepted samples right in every respect", _cases(right), _long(right))
        table.add_row(result.wording, "right candidates that are accepted", _cases(yielded), _long(yielded))
        judged = f"{result.turns_judged / result.turns:.3f}" if result.turns else "-"
        table.add_row(result.wording, "turns that came to the judge", str(result.turns), judged)
        table.add_section()
    return table


def _faults(results: Iterable[WordingResults]) -> Iterator[str]:
    for result in results:
        if wrong := result.samples.wrong:
            yield f"{result.wording}: accepted samples are wrong in {_listed(wrong)}"
        if lost := result.samples.lost:
            yield f"{result.wording}: right candidates were lost at {_listed(lost)}"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items())


def _aim_table(aims: Iterable[Aim]) -> Table:
    table = _table("aims", "what", "aim", "found", "reached")
    for aim in aims:
        answer = (
            "not measured" if aim.found is None else "yes" if aim.reached else f"no, by {aim.least - aim.found:.3f}"
        )
        table.add_row(aim.what, f">= {aim.least:.2f}", "-" if aim.found is None else f"{aim.found:.3f}", answer)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _short(share: Share | None) -> str:
    return "-" if share is None or share.value is None else f"{share.value:.2f}"


def _long(share: Share) -> str:
    if share.value is None:
        return "-"
    bounds = "no interval" if share.low is None else f"{share.low:.3f} to {share.high:.3f}"
    return f"{share.value:.3f} [{bounds}]"


def _cases(share: Share) -> str:
    return f"{share.cases:g}"
