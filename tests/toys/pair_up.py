from __future__ import annotations

import numpy as np

from datagen import Answer, Image, Map, Record


class PairUp(Map):
    """A source, a target that differs in the middle, and where."""

    reads = ("uri",)
    writes = ("source", "target", "masks", "edits", "instruction")

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._pair(record) for record in batch]

    def _pair(self, record: Record) -> Answer:
        before = self.rng(record).integers(0, 256, (40, 60, 3), np.uint8)
        after, mask = before.copy(), np.zeros((40, 60), np.bool_)
        mask[10:30, 20:40] = True
        after[mask] = 255
        edit = {"op": "add", "object": "patch", "box": [20, 10, 40, 30], "mask": "mask_0"}
        pictures = {"source": Image.of(before), "target": Image.of(after)}
        return {**pictures, "masks": [mask], "edits": [edit], "instruction": "Put a patch there."}
