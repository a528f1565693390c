"""An estimate while it is made, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType

from rich.console import Console

from datagen.execute.estimate import Estimate, Resource
from datagen.execute.forecast import Forecast
from datagen.execute.gc import told_bytes
from datagen.execute.watching import Told
from datagen.progress.lines import slices, span

_HOURS: dict[Resource, str] = {"core": "hours of a core", "gpu": "hours of a GPU", "call": "hours of calls"}
_WIDTH = 34


class Trial:
    """Shows on a terminal how far an estimate is; all else that is said goes to standard error."""

    stopping = False

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._shown = self._console.status("estimating")

    def __enter__(self) -> Trial:
        if self._console.is_terminal:
            self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def progressed(self, told: Told) -> None:
        """How far it is now."""
        self._shown.update(f"estimating: {slices(told)}")


def estimate_lines(found: Estimate) -> Iterator[str]:
    """An estimate for a terminal."""
    drawn = f"{found.draws:,} of {found.rows:,} rows"
    yield f"estimated from {drawn}, seed {found.seed}, in {span(found.seconds)}; in brackets what holds 9 times of 10:"
    yield _line("accepted", _number(found.accepted))
    for reason, number in sorted(found.rejected.items(), key=lambda item: -item[1].value):
        yield _line(f"rejected by {reason}", _number(number))
    yield _line("failed", _number(found.failed))
    if found.unmet.high:
        yield _line("by any one reason not met here", f"up to {found.unmet.high:,.0f}")
    for resource, hours in found.hours.items():
        yield _line(_HOURS[resource], _told(hours))
    for stage, by_resource in found.stages.items():
        yield from (_line(f"  {stage}", _told(hours)) for hours in by_resource.values())
    if found.tokens.high:
        yield _line("tokens", _number(found.tokens))
    if found.usd.high:
        yield _line("money", _between(found.usd, "${:,.2f}".format))
    yield _line("dataset", _between(found.dataset_bytes, told_bytes))
    yield _line("run/ besides", _between(found.run_bytes, told_bytes))
    yield from (f"note: {note}" for note in found.notes)


def _line(name: str, told: str) -> str:
    return f"  {name:<{_WIDTH}}  {told}"


def _number(found: Forecast) -> str:
    return _between(found, "{:,.0f}".format)


def _told(found: Forecast) -> str:
    return _between(found, lambda value: f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")


def _between(found: Forecast, told: Callable[[float], str]) -> str:
    return f"{told(found.value)}  [{told(found.low)} to {told(found.high)}]"
