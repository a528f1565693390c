"""What tests of trainings share: a watcher, and what a training left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from datagen.train.loop import EvaluationReport, StepReport

MEASURED = ("samples_a_second", "peak_memory_mb")
"""Metrics that differ between two runs of the same training."""


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


def same(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def steps_in(folder: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in MEASURED} for row in rows]
