"""The cheapest end of a record."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject


class RejectAll(Map):
    """Reject every record."""

    reads = ("uri",)
    rejects = ("unwanted",)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [Reject("unwanted") for _ in batch]
