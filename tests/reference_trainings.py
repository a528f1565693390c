"""Trainings with reference pictures, made small: their data, options, and what they report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from building import run_local

from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.train.config import TrainConfig
from datagen.train.data.examples import TrainingExample
from datagen.train.data.selection import SOURCE
from datagen.train.loop import EvaluationReport, StepReport

SIDE = 64
RED, BLUE = (230, 20, 20), (20, 20, 230)


class Watched:
    """Notes what a training reports, and may stop it."""

    def __init__(self, *, stop_after: int = 0) -> None:
        self.losses: list[float] = []
        self.texts: list[str] = []
        self._stop = stop_after

    def on_step(self, report: StepReport) -> None:
        self.losses.append(report.loss)
        if report.step == self._stop:
            raise KeyboardInterrupt

    def on_evaluation(self, report: EvaluationReport) -> None:
        pass

    def notify(self, text: str) -> None:
        self.texts.append(text)


def with_references(folder: Path) -> list[str]:
    """Two datasets: a source and one reference for each sample, and no source with one or two references."""
    names = ("subject_replace", "subject_generation")
    for name in names:
        run_local(build(load(Path(f"configs/{name}.yaml"))), folder / name)
    return [str(folder / name) for name in names]


def training(datasets: list[str], place: Path, model: dict[str, Any], **more: Any) -> TrainConfig:
    """Four steps on them."""
    return TrainConfig.model_validate(
        {
            "train": "tiny",
            "out": str(place),
            "data": {"datasets": [{"path": path, "split": None} for path in datasets], "sizes": [[SIDE, SIDE]]},
            "model": model,
            "steps": 4,
            "batch_size": 3,
            "optimizer": {"learning_rate": 0.01, "warmup_steps": 0},
            "checkpoints": {"every": 2},
            "evaluation": {"every": 4, "split": None, "samples": 6, "pictures": 2},
            "threads": 1,
            **more,
        }
    )


def flat(color: tuple[int, int, int], width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """A picture of one color, HWC uint8."""
    return np.full((height, width, 3), color, np.uint8)


def example(*references: np.ndarray, instruction: str = "", source: bool = True) -> TrainingExample:
    """A grey picture with references, of which the instruction speaks in their order unless one is given."""
    bound = (*range(len(references)), *([SOURCE] if source else []))
    return TrainingExample(
        key="k",
        source=flat((120, 120, 120) if source else (0, 0, 0)),
        target=flat((60, 140, 60)),
        references=references,
        instruction=instruction or "add <imagehere>" + " and <imagehere>" * (len(bound) - 1),
        text="add things",
        parts=(),
        mirrored=False,
        has_source=source,
        inputs=bound,
    )
