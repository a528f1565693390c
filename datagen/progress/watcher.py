"""Shows the progress of a run on a terminal or as lines, handles Ctrl-C, and writes the log."""

from __future__ import annotations

import math
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
from datagen.execute.engines.progress_events import RunProgress, Summary
from datagen.progress.log import RunLog
from datagen.progress.panel import Panel
from datagen.progress.progress_text import progress_line, summary_lines

SECONDS_BETWEEN_LINES = 10.0
_REDRAWN = 4
"""Times a second."""
_SECONDS_TO_END = 2.0
"""How long after the Ctrl-C that ends a run immediately another one is ignored."""


class Watcher:
    """Shows the progress of a run, and at its end the result. A context manager: it takes over Ctrl-C."""

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
        self._progress: RunProgress | None = None
        self._received_at = clock()
        self._logged = 0.0
        self._live: Live | None = None
        self._handler: Any = None
        self.stopping = False
        self._interrupted_at = -math.inf

    def __enter__(self) -> Watcher:
        if self._terminal.is_terminal and not self._terminal.is_dumb_terminal:
            self._live = Live(
                get_renderable=self.panel, console=self._terminal, refresh_per_second=_REDRAWN, transient=True
            )
            self._live.start()
        self._handler = signal.signal(signal.SIGINT, self._stop)
        return self

    def _stop(self, *_: object) -> None:
        """The first Ctrl-C ends the run after the slices in flight, the second one immediately.

        A third one in the next seconds only says that somebody is impatient. It would break off what the second one has
        the run do: engines end their workers, and the lock is given back.
        """
        if self.stopping:
            if self._clock() < self._interrupted_at + _SECONDS_TO_END:
                return
            self._interrupted_at = self._clock()
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
        if error and self._log and self._log.begun:  # a run that failed before it began leaves no log
            if self._progress:
                self._write_log(progress_line(self._progress))
            self._write_log("interrupted" if isinstance(error, KeyboardInterrupt) else f"ended by an error: {error}")
            self._flush()

    def panel(self) -> Panel:
        """The panel of the current state."""
        return Panel(self._pipeline, self._progress, since=self._clock() - self._received_at, stopping=self.stopping)

    def notify(self, text: str) -> None:
        """Print one line of text, and log it."""
        self._show(text)
        self._write_log(text)

    def on_progress(self, progress: RunProgress) -> None:
        """Show the progress: immediately in the panel, elsewhere as a line every 10 seconds."""
        if self._progress is None:
            self._write_log(f"{self._pipeline} into {self._address}")
        self._progress, self._received_at = progress, self._clock()
        if progress.seconds - self._logged >= SECONDS_BETWEEN_LINES:
            self._logged = progress.seconds
            self._write_log(progress_line(progress))
            if not self._live:
                self._show(f"{self._pipeline}: {progress_line(progress)}")

    def close(self, summary: Summary) -> None:
        """Show the result of the run, and complete the log."""
        self._show("")
        for text in summary_lines(summary, self._address):
            self.notify(text)
        self._flush()

    def _show(self, text: str) -> None:
        """Print on standard output; above the panel if both are the same terminal."""
        text = escape_control(redact(text))
        if self._live and self._out.is_terminal:
            self._terminal.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            self._out.print(text, markup=False)

    def _write_log(self, text: str) -> None:
        if self._log:
            self._try_log(lambda log: log.write(text))

    def _flush(self) -> None:
        if self._log:
            self._try_log(RunLog.flush)

    def _try_log(self, write: Callable[[RunLog], None]) -> None:
        """Write to the log. If that fails, report it once and continue the run without a log."""
        assert self._log
        try:
            write(self._log)
        except (OSError, StoreError) as error:
            self._log = None
            self._show(f"no log is kept from here on: {error}")
