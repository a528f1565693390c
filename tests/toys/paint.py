from __future__ import annotations

import numpy as np
from pydantic import Field

from datagen import Answer, Map, Record, StageConfig
from datagen.imaging.image import Image


class Paint(Map):
    """Paint a target of random pixels and tell it."""

    reads = ("uri",)
    optional = ("subject",)
    writes = ("target", "instruction", "sharpness")

    class Config(StageConfig):
        """Size of the picture."""

        side: int = Field(default=4, ge=1)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._paint(record) for record in batch]

    def _paint(self, record: Record) -> Answer:
        pixels = self.rng(record).integers(0, 256, (self.config.side, self.config.side, 3), np.uint8)
        found = f"Paint {record['uri']} {record.get('subject', '')}".strip() + "."
        return {"target": Image.of(pixels), "instruction": found, "sharpness": float(pixels.mean())}
