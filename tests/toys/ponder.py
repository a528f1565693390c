from __future__ import annotations

import time

from pydantic import Field

from datagen import Answer, Map, Record, StageConfig


class Ponder(Map):
    """Take a while over each record."""

    reads = ("uri",)
    writes = ("foreground_ratio",)

    class Config(StageConfig):
        """How long."""

        seconds: float = Field(default=0.02, ge=0)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._ponder(record) for record in batch]

    def _ponder(self, record: Record) -> Answer:
        time.sleep(self.config.seconds)
        return {"foreground_ratio": float(self.rng(record).random())}
