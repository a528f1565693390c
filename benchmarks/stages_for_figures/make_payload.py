"""Bytes that weigh something and cost nothing."""

from __future__ import annotations

import random

import numpy as np
from pydantic import Field as Option

from datagen import Answer, Field, Image, Map, Record, StageConfig


class MakePayload(Map):
    """Write random bytes, and what a sample needs."""

    reads = ("uri",)
    writes = ("payload", "target", "instruction")
    fields = (Field("payload", "audio", "Bytes that no stage looks into.", member="audio"),)

    class Config(StageConfig):
        """How many."""

        size: int = Option(default=1_000_000, ge=1)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._made(record["uri"]) for record in batch]

    def _made(self, uri: str) -> Answer:
        payload = random.Random(uri).randbytes(self.config.size)
        return {"payload": [payload], "target": Image.of(_DOT), "instruction": f"Carry {uri}."}


_DOT = np.zeros((1, 1, 3), np.uint8)
