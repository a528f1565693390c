from __future__ import annotations

import numpy as np

from datagen import Answer, Map, Record
from datagen.imaging.geometry import mask_bounds


class BoxChange(Map):
    """The box of all pixels that differ; for pictures without any damage."""

    reads = ("source", "target")
    writes = ("box",)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"box": _box(record)} for record in batch]


def _box(record: Record) -> tuple[float, float, float, float]:
    changed = (record["source"].array != record["target"].array).any(axis=2)
    x0, y0, x1, y1 = mask_bounds(changed) if changed.any() else (np.nan,) * 4
    return float(x0), float(y0), float(x1), float(y1)
