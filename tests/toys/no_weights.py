from __future__ import annotations

from datagen import Answer, Map, Record, SetupError


class NoWeights(Map):
    """Cannot start here."""

    writes = ("task",)

    def setup(self, device: str) -> None:
        raise SetupError("the weights are not here; pip install weights")

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"task": "never"} for _ in batch]
