from __future__ import annotations

from datagen import Answer, Map, Record


class Pay(Map):
    """Ten tokens and a dollar a batch."""

    writes = ("task",)

    def process(self, batch: list[Record]) -> list[Answer]:
        self.charge(tokens=10, usd=1.0)
        return [{"task": "toy"} for _ in batch]
