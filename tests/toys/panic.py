from __future__ import annotations

from datagen import Answer, Map, Record
from toys._panics import go_off


class Panic(Map):
    """Raise what a Map may."""

    reads = ("caption",)
    writes = ("task",)

    def process(self, batch: list[Record]) -> list[Answer]:
        for record in batch:
            go_off(record["caption"])
        return [{"task": "toy"} for _ in batch]
