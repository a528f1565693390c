"""A filter that lets little pass."""

from __future__ import annotations

import zlib

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig


class SiftMost(Map):
    """Reject a fixed share of the records, spread evenly over the source."""

    reads = ("uri",)
    writes = ("contrast",)
    rejects = ("unlucky",)

    class Config(StageConfig):
        """How many."""

        share: float = Field(default=0.97, ge=0, le=1)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._judge(zlib.crc32(record["uri"].encode()) / 2**32) for record in batch]

    def _judge(self, drawn: float) -> Answer:
        return Reject("unlucky") if drawn < self.config.share else {"contrast": drawn}
