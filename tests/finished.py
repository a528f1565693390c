"""Finished datasets, made small and fast, for what is built upon them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from building import run_local

from datagen.pipeline.config import load
from datagen.pipeline.graph import build

CONFIG = Path("configs/instruct_edit.yaml")


def finished(out: Path, *, limit: int | None = None) -> Path:
    """A dataset of the edits that the repository has, as configs/instruct_edit.yaml makes it."""
    run_local(build(load(CONFIG)), out, limit=limit)
    return out


def mixing(datasets: Mapping[str, Path], **options: Mapping[str, object]) -> str:
    """What sets the datasets of configs/mix.yaml, by name; `options` are those of each, by its name."""
    parts = [
        "{"
        + ", ".join(f"{key}: {value}" for key, value in {"name": name, "path": path, **options.get(name, {})}.items())
        + "}"
        for name, path in datasets.items()
    ]
    return f"source.datasets=[{', '.join(parts)}]"
