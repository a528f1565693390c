"""Nothing at all."""

from __future__ import annotations

from datagen import Answer, Map, Record


class PassOn(Map):
    """Read the payload and let it pass."""

    reads = ("payload",)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{} for _ in batch]
