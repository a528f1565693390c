"""A training as it goes on: a line that stays, and a line for each event."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from datagen.core.redact import escape_control, redact

if TYPE_CHECKING:
    from datagen.train.loop import EvaluationReport, StepReport

_LINE_EVERY = 50
"""Steps between two lines where no terminal shows a bar."""


class TrainingDisplay:
    """Shows a training on standard error: a bar in a terminal, else a line now and then."""

    def __init__(self, name: str, *, steps: int) -> None:
        self._console = Console(stderr=True, highlight=False)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
        )
        times = (TimeElapsedColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, *times, console=self._console, disable=not sys.stderr.isatty())
        self._task = self._bar.add_task(name, total=steps, state="")
        self._steps = steps
        self._mean: float | None = None

    def __enter__(self) -> TrainingDisplay:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_step(self, report: StepReport) -> None:
        """Move the bar on."""
        self._mean = report.loss if self._mean is None else 0.95 * self._mean + 0.05 * report.loss
        state = f"loss {self._mean:.4g}, {report.samples_a_second:.1f} samples/s"
        self._bar.update(self._task, completed=report.step, state=state)
        if self._bar.disable and (report.step % _LINE_EVERY == 0 or report.step == self._steps):
            self.notify(f"step {report.step:,} of {self._steps:,}: {state}")

    def on_evaluation(self, report: EvaluationReport) -> None:
        """Show the loss of what is looked at on the way."""
        parts = " ".join("-" if loss is None else f"{loss:.4g}" for loss in report.by_time)
        self.notify(
            f"step {report.step:,}: evaluation loss {report.evaluation_loss:.4g}; from little noise to much: {parts}"
        )

    def notify(self, text: str) -> None:
        """A line of its own."""
        self._console.print(escape_control(redact(text)), markup=False, soft_wrap=True)
