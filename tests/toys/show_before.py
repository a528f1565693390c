from __future__ import annotations

from datagen import Answer, Map, Record
from toys.judge_plan import picture


class ShowBefore(Map):
    """The picture before the step: with fewer discs."""

    reads = ("task",)
    writes = ("source",)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"source": picture(5 if record["task"] == "refine" else 3)} for record in batch]
