"""What a person sees of a run: a live line on a terminal, plain lines in a log."""

from __future__ import annotations

import shlex
import signal
import time
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.status import Status

from datagen.execute.watching import Summary, Told

_SECONDS_BETWEEN_LINES = 10.0
_LONGEST_ID = 100


class Watcher:
    """Shows how far a run is, and at its end what came out."""

    def __init__(self, pipeline: str, address: str) -> None:
        self._console = Console(stderr=True)
        self._out = Console(highlight=False, soft_wrap=True)
        self._pipeline = pipeline
        self._address = address
        self._begun = time.monotonic()
        self._printed = self._begun
        self._status: Status | None = None
        self._handler: Any = None
        self.stopping = False

    def __enter__(self) -> Watcher:
        if self._console.is_terminal:
            self._status = self._console.status(f"{self._pipeline}: starting")
            self._status.start()
        self._handler = signal.signal(signal.SIGINT, self._stop)
        return self

    def _stop(self, *_: object) -> None:
        """Ctrl-C once ends the run after the slices in flight, twice at once."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True
        self._console.print("stopping after the slices in flight; press Ctrl-C again to stop at once")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGINT, self._handler)
        if self._status:
            self._status.stop()

    def say(self, text: str) -> None:
        """One line that stays."""
        self._out.print(text, markup=False)

    def slice_done(self, told: Told) -> None:
        """Show the counts so far."""
        counts = told.counts
        rejected = sum(counts.rejected.values())
        text = (
            f"{self._pipeline}: {told.slices} slices, {counts.sources} sources: "
            f"{counts.accepted} accepted, {rejected} rejected, {counts.failed} failed"
        )
        now = time.monotonic()
        if self._status:
            self._status.update(text)
        elif now - self._printed >= _SECONDS_BETWEEN_LINES:
            self._printed = now
            self.say(text)

    def close(self, summary: Summary) -> None:
        """What came out, where it is, and what to do next."""
        counts = summary.counts
        reused = summary.slices - summary.computed
        note = f", {reused} of {summary.slices} slices were done before" if reused else ""
        self.say(f"\n{counts.sources} sources became {counts.records} records in {summary.seconds:.1f} s{note}")
        self.say(f"  {counts.accepted:>7} accepted")
        for reason, number in sorted(counts.rejected.items(), key=lambda item: -item[1]):
            self.say(f"  {number:>7} rejected by {reason}")
        self.say(f"  {counts.failed:>7} failed")
        slowest = sorted(summary.tallies.items(), key=lambda item: -item[1].seconds)[:3]
        if slowest:
            told = ", ".join(f"{stage} ({tally.seconds:.1f} s)" for stage, tally in slowest)
            self.say(f"\nmost time went into {told}")
        if summary.waits_for:
            self.say(f"\n{self._address}: {summary.waits_for}")
            return
        splits = ", ".join(f"{number} {split}" for split, number in summary.splits.items() if number)
        out = shlex.quote(self._address)
        self.say(f"\n{self._address}: {splits or 'no samples'} in {summary.shards} shards")
        if counts.failed:
            self.say(f"some that failed:    {', '.join(printable(id) for id in summary.failed)}")
            self.say(f"why one failed:      python -m datagen show {out} {shlex.quote(printable(summary.failed[0]))}")
        self.say(f"prove it whole:      python -m datagen verify {out}")
        if summary.example:
            self.say(f"look at one:         python -m datagen show {out} {summary.example}")


def printable(id: str) -> str:
    """An id as a terminal may show it: no control characters, and not too long."""
    shown = "".join(sign if sign.isprintable() else f"\\x{ord(sign):02x}" for sign in id[:_LONGEST_ID])
    return shown if len(id) <= _LONGEST_ID else f"{shown}..."
