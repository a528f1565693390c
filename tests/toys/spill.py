from __future__ import annotations

import os

import numpy as np

from datagen import Answer, Map, Record
from datagen.imaging.image import Image


class Spill(Map):
    """Raise with an address and a key in the message for records called `spill`, as clients of services do."""

    reads = ("uri", "caption")
    writes = ("target", "instruction")

    def process(self, batch: list[Record]) -> list[Answer]:
        for record in batch:
            if record["caption"] == "spill":
                raise ValueError(f"401 from {record['uri']}: no such key: {os.environ['SPILT_API_KEY']}")
        pixels = np.zeros((4, 4, 3), np.uint8)
        return [{"target": Image.of(pixels), "instruction": f"Paint number {record.id}."} for record in batch]
