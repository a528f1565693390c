"""The display of `plan --estimate`: its progress while it runs, and its result as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

from rich.console import Console

from datagen.execute.engines.progress_events import RunProgress
from datagen.execute.inspect.bootstrap import Forecast
from datagen.execute.inspect.estimate import Estimate, Resource
from datagen.execute.maintain.gc import format_bytes
from datagen.progress.progress_text import format_duration, slices_text

_TIMES: dict[Resource, str] = {"core": "time of a core", "gpu": "time of a GPU", "call": "time of calls"}


class EstimateDisplay:
    """Shows the progress of an estimate, or of another trial run, on a terminal; messages go to standard error."""

    stopping = False

    def __init__(self, doing: str = "estimating") -> None:
        self._doing = doing
        self._console = Console(stderr=True)
        self._shown = self._console.status(doing)

    def __enter__(self) -> EstimateDisplay:
        if self._console.is_terminal:
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()

    def notify(self, text: str) -> None:
        """Print one line of text."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def on_progress(self, progress: RunProgress) -> None:
        """Update the progress."""
        self._shown.update(f"{self._doing}: {slices_text(progress)}")


def estimate_lines(found: Estimate) -> Iterator[str]:
    """The lines of an estimate, for a terminal."""
    what = "every row was run" if found.draws >= found.rows else "in brackets what holds 9 times of 10"
    took = format_duration(found.seconds)
    yield f"estimated from {found.draws:,} of {found.rows:,} rows, seed {found.seed}, in {took}; {what}:"
    lines = list(_lines(found))
    width = max(len(name) for name, _ in lines)
    yield from (f"  {name:<{width}}  {value}" for name, value in lines)
    yield from (f"note: {note}" for note in found.notes)


def _lines(found: Estimate) -> Iterator[tuple[str, str]]:
    yield "accepted", _between(found.accepted, _number)
    for reason, number in sorted(found.rejected.items(), key=lambda item: -item[1].value):
        yield f"rejected by {reason}", _between(number, _number)
    yield "failed", _between(found.failed, _number)
    if found.unmet.high:
        yield "by any one reason not met here", f"up to {_number(found.unmet.high)}"
    for resource, hours in found.hours.items():
        yield f"{_TIMES[resource]}, all together", _between(hours, _time)
    for stage, by_resource in found.stages.items():
        yield from ((f"  {stage}, {resource}", _between(hours, _time)) for resource, hours in by_resource.items())
    if found.tokens.high:
        yield "tokens", _between(found.tokens, _number)
    if found.usd.high:
        yield "money", _between(found.usd, "${:,.2f}".format)
    yield "dataset", _between(found.dataset_bytes, format_bytes)
    yield "run/ besides", _between(found.run_bytes, format_bytes)


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _time(hours: float) -> str:
    """A duration in hours, as text in a suitable unit."""
    unit, factor = ("h", 1) if hours >= 1 else ("min", 60) if hours * 60 >= 1 else ("s", 3600)
    value = hours * factor
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def _between(forecast: Forecast, formatted: Callable[[float], str]) -> str:
    bounds = f"  [{formatted(forecast.low)} to {formatted(forecast.high)}]" if forecast.low < forecast.high else ""
    return f"{formatted(forecast.value)}{bounds}"
