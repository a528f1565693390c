"""A small dataset of drawn worlds, made once a module."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from building import run_local

from datagen.pipeline.config import load
from datagen.pipeline.graph import build

WORLD_SMALL = Path("configs/world_small.yaml")


def world_dataset(folder: Path, *, sessions: int = 8, **source: Any) -> Path:
    """What configs/world_small.yaml makes, of a few sessions, half of them in the split val."""
    config = yaml.safe_load(WORLD_SMALL.read_text())
    config["source"] |= {"count": sessions, **source}
    config["output"] |= {"val_fraction": 0.5}
    path = folder / "world.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    run_local(build(load(path)), folder / "out")
    return folder / "out"
