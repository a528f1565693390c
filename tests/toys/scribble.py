from __future__ import annotations

from typing import Any

from pydantic import Field

from datagen import Answer, Map, Record, StageConfig


class Scribble(Map):
    """Write over a record's arrays, which no stage may."""

    reads = ("target", "mask")
    writes = ("task",)

    class Config(StageConfig):
        """Which of them."""

        field: str = Field(default="target")

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        for record in batch:
            value: Any = record[self.config.field]
            (value.array if self.config.field == "target" else value)[0] = 0
        return [{"task": "spoilt"} for _ in batch]
