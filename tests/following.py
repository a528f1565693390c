"""A watcher that notes what a training reports, and may stop it."""

from __future__ import annotations

from datagen.train.loop import EvaluationReport, StepReport


class Followed:
    """Notes what a training reports, and may stop it."""

    def __init__(self, *, stop_after: int = 0) -> None:
        self.steps: list[StepReport] = []
        self.evaluations: list[EvaluationReport] = []
        self.texts: list[str] = []
        self._stop = stop_after

    def on_step(self, report: StepReport) -> None:
        self.steps.append(report)
        if report.step == self._stop:
            raise KeyboardInterrupt

    def on_evaluation(self, report: EvaluationReport) -> None:
        self.evaluations.append(report)

    def notify(self, text: str) -> None:
        self.texts.append(text)
