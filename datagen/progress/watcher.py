"""Shows a run to whoever sits there, and writes its log."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.live import Live

from datagen.core.errors import StoreError
from datagen.core.redact import escape_control, redact
from datagen.execute.engines.progress_events import Summary, Told
from datagen.progress.lines import closing, line
from datagen.progress.log import RunLog
from datagen.progress.panel import Panel

SECONDS_BETWEEN_LINES = 10.0
_REDRAWN = 4
"""Times a second."""


class Watcher:
    """Shows how far a run is, and at its end what came out."""

    def __init__(
        self,
        pipeline: str,
        address: str,
        *,
        terminal: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._terminal = terminal or Console(stderr=True)
        self._out = Console(highlight=False, soft_wrap=True)
        self._pipeline = pipeline
        self._address = address
        self._clock = clock
        self._log: RunLog | None = RunLog(address, now=now)
        self._told: Told | None = None
        self._heard = clock()
        self._logged = 0.0
        self._live: Live | None = None
        self._handler: Any = None
        self.stopping = False

    def __enter__(self) -> Watcher:
        if self._terminal.is_terminal and not self._terminal.is_dumb_terminal:
            self._live = Live(
                get_renderable=self.panel, console=self._terminal, refresh_per_second=_REDRAWN, transient=True
            )
            self._live.start()
        self._handler = signal.signal(signal.SIGINT, self._stop)
        return self

    def _stop(self, *_: object) -> None:
        """Ctrl-C once ends the run after the slices in flight, twice at once."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self._terminal.print("stopping after the slices in flight; press Ctrl-C again to stop at once")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._handler)
        if self._live:
            self._live.stop()
            self._live = None
        if error and self._log and self._log.begun:
            if self._told:
                self._enter(line(self._told))
            self._enter("interrupted" if isinstance(error, KeyboardInterrupt) else f"ended by an error: {error}")
            self._flush()

    def panel(self) -> Panel:
        """What a terminal shows now."""
        return Panel(self._pipeline, self._told, since=self._clock() - self._heard, stopping=self.stopping)

    def say(self, text: str) -> None:
        """One line that stays."""
        self._show(text)
        self._enter(text)

    def progressed(self, told: Told) -> None:
        """Show how far the run is: at once on a terminal, else a line now and then."""
        if self._told is None:
            self._enter(f"{self._pipeline} into {self._address}")
        self._told, self._heard = told, self._clock()
        if told.seconds - self._logged >= SECONDS_BETWEEN_LINES:
            self._logged = told.seconds
            self._enter(line(told))
            if not self._live:
                self._show(f"{self._pipeline}: {line(told)}")

    def close(self, summary: Summary) -> None:
        """What came out, where it is, and what to do next."""
        self._show("")
        for text in closing(summary, self._address):
            self.say(text)
        self._flush()

    def _show(self, text: str) -> None:
        """On standard output; above the panel, where both are the same terminal."""
        text = escape_control(redact(text))
        if self._live and self._out.is_terminal:
            self._terminal.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._out.print(text, markup=False)

    def _enter(self, text: str) -> None:
        if self._log:
            self._try(lambda log: log.write(text))

    def _flush(self) -> None:
        if self._log:
            self._try(RunLog.flush)

    def _try(self, write: Callable[[RunLog], None]) -> None:
        """A log that cannot be written does not end the run; that is said once."""
        assert self._log
        try:
            write(self._log)
        except (OSError, StoreError) as error:
            self._log = None
            self._show(f"no log is kept from here on: {error}")
