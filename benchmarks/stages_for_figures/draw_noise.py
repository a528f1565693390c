"""Pictures that weigh something and cost little."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from datagen import Answer, Image, Map, Record, StageConfig


class DrawNoise(Map):
    """Draw a target of random pixels, and tell it; its PNG has about 3 x `side` x `side` bytes."""

    reads = ("uri",)
    writes = ("target", "instruction")

    class Config(StageConfig):
        """Size of the picture."""

        side: int = Field(default=183, ge=1)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._drawn(record) for record in batch]

    def _drawn(self, record: Record) -> Answer:
        side = self.config.side
        pixels = np.frombuffer(self.rng(record).bytes(side * side * 3), np.uint8).reshape(side, side, 3)
        return {"target": Image.of(pixels), "instruction": f"Draw {record['uri']}."}
