"""The text of an evaluation: tables for a terminal."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table

from datagen.evaluate.results import Difference, EvaluationResults, MetricInfo, MetricValue

WIDTH = 160
"""Columns of the tables, wherever they are printed."""


def evaluation_text(found: EvaluationResults) -> str:
    """All tables as text."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, legacy_windows=False)
    for part in _parts(found):
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
    assert isinstance(console.file, io.StringIO)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def heading_lines(found: EvaluationResults) -> Iterator[str]:
    """What was judged on, and how to read the numbers."""
    yield (
        f"{found.dataset}, split {found.split}: {found.samples_judged:,} of {found.samples_found:,} samples, "
        f"{found.sources:,} sources, compared at {sizes_text(found.sizes)}"
    )
    if found.left_out:
        left_out = ", ".join(f"{reason} {number:,}" for reason, number in found.left_out.items())
        yield f"left out, by reason: {left_out}"
    what = "original pictures" if found.sources_by == "original" else "source pictures"
    yield f"in brackets 95 % intervals over {what} (BCa bootstrap); N counts samples, or single edits"
    for subject in found.subjects:
        for reason, number in subject.failures.items():
            yield f"{subject.name}: {number:,} without an output: {reason}"
        if strange := subject.about.get("strange_files"):
            named = ", ".join(subject.about["strange_files_named"])
            yield f"{subject.name}: {strange:,} files are no output of this dataset, such as {named}"
    yield from (f"note: {note}" for note in found.notes)


def sizes_text(sizes: Sequence[tuple[int, int]]) -> str:
    """The sizes of judgement."""
    return ", ".join(f"{width}x{height}" for width, height in sizes) + " px" if sizes else "each sample's own size"


def _parts(found: EvaluationResults) -> Iterator[RenderableType]:
    yield from heading_lines(found)
    yield ""
    yield _value_table(found)
    if found.differences:
        yield _difference_table(found)
    yield "what the numbers are:"
    yield from (f"  {line}" for line in metric_lines(found.metrics))
    yield from (f"not measured: {what} ({why})" for what, why in found.not_measured.items())


def _value_table(found: EvaluationResults) -> Table:
    table = _table("metric", "better", "reference", "judged", "N", "failed", "value")
    for metric in found.metrics:
        first = (metric.name, "" if metric.better == "neither" else metric.better, metric.reference)
        for name, value in found.values[metric.name].items():
            table.add_row(*first, name, f"{value.samples:,}", f"{value.failures:,}", value_text(value))
            first = ("", "", "")
        table.add_section()
    return table


def _difference_table(found: EvaluationResults) -> Table:
    table = _table("difference in", "first", "less", "N", "value", "")
    for each in found.differences:
        table.add_row(
            each.metric, each.first, each.second, f"{each.samples:,}", difference_text(each), verdict_text(each, found)
        )
    return table


def value_text(value: MetricValue) -> str:
    """A mean and its interval."""
    if value.value is None:
        return f"- ({value.note})"
    return f"{value.value:.4g} [{_bounds(value.low, value.high, value.note)}]"


def difference_text(found: Difference) -> str:
    """A difference and its interval, with a sign."""
    if found.value is None:
        return f"- ({found.note})"
    if found.low is None or found.high is None:
        return f"{found.value:+.4g} [{found.note}]"
    return f"{found.value:+.4g} [{found.low:+.4g} to {found.high:+.4g}]"


def verdict_text(each: Difference, found: EvaluationResults) -> str:
    """Whether the first one is better; '' where the interval holds zero, or there is none."""
    if not each.is_clear or each.value is None:
        return ""
    better = found.metric(each.metric).better
    if better == "neither":
        return ""
    return "better" if (each.value > 0) == (better == "higher") else "worse"


def _bounds(low: float | None, high: float | None, note: str) -> str:
    return note if low is None or high is None else f"{low:.4g} to {high:.4g}"


def metric_lines(metrics: Sequence[MetricInfo]) -> Iterator[str]:
    """What each number means, a line each; those by one model and preprocessing say so once."""
    before = ("", "")
    for metric in metrics:
        unit = f", {metric.unit}" if metric.unit else ""
        how = metric.model, metric.preprocessing
        by = f"; by {metric.model}" if metric.model else ""
        more = f"{by}; {metric.preprocessing}" if how != before else "; likewise"
        before = how
        yield f"{metric.name}{unit}: {metric.doc}{more}"


def _table(*columns: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table
