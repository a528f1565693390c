"""Trainings with reference pictures, made small: their data, options and examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from building import run_local
from PIL import Image as Pillow

from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.train.config import TrainConfig
from datagen.train.data.examples import TrainingExample
from datagen.train.data.selection import SOURCE

SIDE = 64
RED, BLUE = (230, 20, 20), (20, 20, 230)


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


def textured(color: tuple[int, int, int], width: int = SIDE, height: int = SIDE) -> np.ndarray:
    """A picture around one color, HWC uint8. Norms of a flat one would enlarge rounding."""
    rough = np.random.default_rng(color).normal(color, 40, (height // 4, width // 4, 3)).clip(0, 255).astype(np.uint8)
    return np.asarray(Pillow.fromarray(rough).resize((width, height)))


def first_output(network: Any, edit: Callable[[], Any]) -> torch.Tensor:
    """What a network gives when an edit calls it first, before anything is rounded to pixels."""
    found: list[torch.Tensor] = []
    hook = network.register_forward_hook(lambda _, __, made: found.append(made[0].detach().clone()))
    edit()
    hook.remove()
    return found[0]


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """How far two outputs are from each other, relative to their own length; rounding is below 1e-5."""
    return float((one - other).norm() / one.norm())


def least_apart(outputs: Sequence[torch.Tensor]) -> float:
    """How far the nearest two are from each other."""
    return min(apart(one, other) for one, other in combinations(outputs, 2))


def example(*references: np.ndarray, instruction: str = "", source: bool = True) -> TrainingExample:
    """A grey picture with references, of which the instruction speaks in their order unless one is given."""
    bound = (*range(len(references)), *([SOURCE] if source else []))
    return TrainingExample(
        key="k",
        source=textured((120, 120, 120) if source else (0, 0, 0)),
        target=textured((60, 140, 60)),
        references=references,
        instruction=instruction or "add <imagehere>" + " and <imagehere>" * (len(bound) - 1),
        text="add things",
        parts=(),
        mirrored=False,
        has_source=source,
        inputs=bound,
    )
