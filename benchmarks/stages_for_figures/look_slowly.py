"""A stage shaped like a model on a GPU: a call takes as long for one record as for a whole batch."""

from __future__ import annotations

import os
import time

from datagen import Answer, Map, Record, StageConfig


class LookSlowly(Map):
    """Sleep for a fixed time a call, and enter the call's begin, end and records in a file of its own."""

    reads = ("target",)
    writes = ("sharpness",)

    class Config(StageConfig):
        """How long, and where calls are noted."""

        seconds: float = 0.02
        log: str

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        begun = time.time()
        time.sleep(self.config.seconds)
        with open(f"{self.config.log}/{os.getpid()}.txt", "a", encoding="utf-8") as file:
            file.write(f"{begun:.6f} {time.time():.6f} {len(batch)}\n")
        return [{"sharpness": 1.0} for _ in batch]
