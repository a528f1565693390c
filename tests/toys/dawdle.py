from __future__ import annotations

import time

from datagen import Answer, Map, Record


class Dawdle(Map):
    """Take a while."""

    writes = ("task",)

    def process(self, batch: list[Record]) -> list[Answer]:
        time.sleep(0.4)
        return [{"task": "toy"} for _ in batch]
