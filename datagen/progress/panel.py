"""The live panel of a run on a terminal: progress, rate, counts by stage, bottleneck and cost."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, NewLine, RenderResult
from rich.progress_bar import ProgressBar
from rich.text import Text

from datagen.execute.engines.progress_events import RunProgress, StageProgress
from datagen.progress.progress_text import format_cost, format_duration, format_rate, slices_text, time_left

_NARROW = 60
"""Terminals with fewer columns get the short table."""
_SHORTEST_NAME = 8
_GAP = "  "
_WIDE = ("stage", "in", "out", "rejected", "failed", "rec/s", "workers", "busy", "")
_SLIM = ("stage", "out", "busy", "")
_OTHER_LINES = 8
"""Lines of the panel and around it, besides one line for each stage."""


class Panel:
    """Renders one state of a run, received `since` seconds ago; fits the width and height of the terminal."""

    def __init__(
        self, pipeline: str, progress: RunProgress | None, *, since: float = 0.0, stopping: bool = False
    ) -> None:
        self._pipeline = pipeline
        self._progress = progress
        self._since = since
        self._stopping = stopping

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw it."""
        if self._progress is None:
            yield Text(f"{self._pipeline}: starting", overflow="ellipsis", no_wrap=True)
            return
        progress, width = self._progress, options.max_width
        yield _one_line(self._head(progress))
        if progress.total:
            yield ProgressBar(total=progress.total, completed=progress.slices + progress.before, width=width)
            yield NewLine()
        yield _one_line(_ends(progress))
        yield from _stages(progress, width=width, rows=max(1, (options.height or console.height) - _OTHER_LINES))
        if progress.bottleneck:
            yield _one_line(f"slowest: {progress.bottleneck}", "yellow")
        if spent := format_cost(progress.tokens, progress.usd):
            yield _one_line(f"spent: {spent}")
        yield _one_line(
            "stopping after the slices in flight" if self._stopping else "Ctrl-C stops after the slices in flight",
            style="dim",
        )

    def _head(self, progress: RunProgress) -> str:
        elapsed = format_duration(progress.seconds + self._since)
        parts = [f"{self._pipeline}: {slices_text(progress)}", elapsed, time_left(progress)]
        return "  ".join(part for part in parts if part)


def _one_line(text: str, style: str = "") -> Text:
    return Text(text, style=style, overflow="ellipsis", no_wrap=True)


def _ends(progress: RunProgress) -> str:
    counts = progress.counts
    parts = [
        f"{counts.accepted:,} accepted",
        f"{sum(counts.rejected.values()):,} rejected",
        f"{counts.failed:,} failed",
        f"from {counts.sources:,} sources",
    ]
    if progress.rate is not None:
        parts.append(f"{format_rate(progress.rate)} records/s")
    return "  ".join(parts)


def _stages(progress: RunProgress, *, width: int, rows: int) -> Iterator[Text]:
    """A table with one line a stage; if not all fit, the busiest. Long names are cut, numbers never."""
    wide = width >= _NARROW
    shown = sorted(progress.stages, key=lambda stage: -(stage.busy or 0.0))[:rows]
    stages = [stage for stage in progress.stages if stage in shown]
    lines = [_WIDE if wide else _SLIM, *(_cells(stage, wide=wide, bottleneck=progress.bottleneck) for stage in stages)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    widths[0] = max(_SHORTEST_NAME, min(widths[0], width - sum(widths[1:]) - len(_GAP) * (len(widths) - 1)))
    for number, (name, *cells) in enumerate(lines):
        short_name = name if len(name) <= widths[0] else f"{name[: widths[0] - 1]}…"
        aligned = [cell.rjust(size) for cell, size in zip(cells, widths[1:], strict=True)]
        slowest = number > 0 and stages[number - 1].stage == progress.bottleneck
        yield _one_line(
            _GAP.join([short_name.ljust(widths[0]), *aligned]), "yellow" if slowest else "" if number else "bold"
        )


def _cells(stage: StageProgress, *, wide: bool, bottleneck: str) -> tuple[str, ...]:
    counters = stage.counters
    busy = "" if stage.busy is None else f"{stage.busy:.0%}"
    mark = "<" if stage.stage == bottleneck else ""
    if not wide:
        return stage.stage, f"{counters.passed:,}", busy, mark
    counts = (f"{number:,}" for number in (counters.taken, counters.passed, counters.rejected, counters.failed))
    return stage.stage, *counts, format_rate(stage.rate), str(stage.workers or ""), busy, mark
