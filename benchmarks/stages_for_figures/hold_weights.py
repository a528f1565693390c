"""A stage shaped like an editor: what it loads weighs something, and its answer is never good enough."""

from __future__ import annotations

import time

import numpy as np

from datagen import Answer, Field, Map, Record, StageConfig


class HoldWeights(Map):
    """Load some memory, hold it, and take a fixed time a record."""

    reads = ("uri",)
    writes = ("opinion",)
    fields = (Field("opinion", "text", "Whether the attempt is good enough.", choices=("yes", "no")),)

    class Config(StageConfig):
        """How much, and how long."""

        megabytes: int = 300
        seconds: float = 0.01

    config: Config

    def setup(self, device: str) -> None:  # noqa: ARG002
        self.weights = np.ones(self.config.megabytes * 2**20, np.uint8)

    def process(self, batch: list[Record]) -> list[Answer]:
        time.sleep(self.config.seconds * len(batch))
        return [{"opinion": "no" if self.weights[0] else "yes"} for _ in batch]
