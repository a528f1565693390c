from __future__ import annotations

import time

import numpy as np

from datagen import Answer, Map, Record, StageConfig


class Hoard(Map):
    """Take ever more memory for a record called `hoarder`, until something ends it; think a while of any other."""

    reads = ("caption",)
    writes = ("task",)

    class Config(StageConfig):
        """How much."""

        step_mb: int = 200
        most_mb: int = 9000
        """After which it gives up, and the record passes."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        for record in batch:
            time.sleep(0.05)
            held = []
            while record["caption"] == "hoarder" and len(held) * self.config.step_mb < self.config.most_mb:
                held.append(np.ones(self.config.step_mb * 2**17))
                time.sleep(0.1)
        return [{"task": "toy"} for _ in batch]
