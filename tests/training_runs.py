"""What tests of trainings share: small configs, a watcher, and what a training left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tiny_pipelines import text_to_image

from datagen.train.config import TrainConfig
from datagen.train.loop import EvaluationReport, StepReport
from datagen.train.models.ip2p import Ip2pConfig

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


SMALL = {"kind": "small", "channels": [16], "fold": 8, "text_width": 8, "words": 8, "vocabulary": 64}
"""The family `small`, at its smallest."""


def small_options(edits: Path, place: Path, **more: Any) -> dict[str, Any]:
    """Options of a training of it on all samples of a dataset, with those of `more` in their place."""
    return {
        "train": "tiny",
        "out": str(place),
        "data": {"datasets": [{"path": str(edits), "split": None}], "sizes": [[16, 16], [24, 16]]},
        "model": SMALL,
        "steps": 5,
        "batch_size": 4,
        "checkpoints": {"every": 2, "keep": 2},
        "evaluation": {"every": 4, "split": None, "samples": 6, "pictures": 2},
        "threads": 1,
        **more,
    }


def small_training(edits: Path, place: Path, **more: Any) -> TrainConfig:
    return TrainConfig.model_validate(small_options(edits, place, **more))


def ip2p_family(folder: Path, **more: Any) -> Ip2pConfig:
    """InstructPix2Pix from tiny weights of a text-to-image model below a folder."""
    return Ip2pConfig.model_validate({"weights": str(text_to_image(folder)), "sampling_steps": 2, **more})


def ip2p_training(edits: Path, place: Path, folder: Path, *, model: Any = None, **more: Any) -> TrainConfig:
    """A training of it on a dataset; `more` are options of the config."""
    options = {
        "data": {"datasets": [{"path": str(edits), "split": None}], "sizes": [[32, 32], [48, 32]]},
        "model": (model or ip2p_family(folder)).model_dump(),
        "steps": 4,
        "batch_size": 2,
        "ema": 0.5,
        "evaluation": {"every": 4, "split": None, "samples": 2, "pictures": 1},
    }
    return small_training(edits, place, **{**options, **more})
