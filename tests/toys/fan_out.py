from __future__ import annotations

from pydantic import Field

from datagen import Children, Expand, Record, StageConfig


class FanOut(Expand):
    """As many children as a record's checksum says, at most `most`."""

    reads = ("caption",)
    writes = ("subject",)

    class Config(StageConfig):
        """How many."""

        most: int = Field(default=3, ge=0)

    config: Config

    def process(self, batch: list[Record]) -> list[Children]:
        return [[{"subject": f"{record['caption']}-{n}"} for n in range(self._number(record))] for record in batch]

    def _number(self, record: Record) -> int:
        return int(self.rng(record).integers(0, self.config.most + 1))
