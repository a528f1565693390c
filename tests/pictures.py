"""Pictures and masks for tests: made ones, and the demo's photographs with what is annotated on them."""

from __future__ import annotations

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.image import Image

DATA = Path((find_spec("skimage").submodule_search_locations or [""])[0]) / "data"  # type: ignore[union-attr]
"""Where scikit-image keeps its photographs."""


def noise(height: int, width: int, *, seed: int = 0, level: float = 120, spread: float = 5) -> NDArray[np.uint8]:
    """Random RGB pixels around a grey level, HWC."""
    values = np.random.default_rng(seed).normal(level, spread, (height, width, 3))
    return values.round().clip(0, 255).astype(np.uint8)


def disc(height: int, width: int, *, x: float, y: float, radius: float) -> NDArray[np.bool_]:
    """A round mask, HW."""
    rows, columns = np.mgrid[:height, :width]
    return np.asarray((columns - x) ** 2 + (rows - y) ** 2 <= radius**2)


@cache
def photograph(name: str) -> Image:
    """One of scikit-image's photographs, by its file's name."""
    return Image.decode((DATA / name).read_bytes())


@cache
def demo_rows() -> dict[str, dict[str, Any]]:
    """The rows of the demo's manifest, by id."""
    lines = Path("manifests/demo.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["id"]: row for row in map(json.loads, lines)}


def demo_object(id: str, number: int) -> tuple[Image, dict[str, Any]]:
    """A photograph of the demo, and one of the objects annotated on it."""
    row = demo_rows()[id]
    return photograph(row["uri"].rsplit("/", 1)[1]), row["objects"][number]
