from __future__ import annotations

from datagen import Answer, Filter, Record
from toys._panics import RAISED, go_off

ORDER = list(RAISED)


class PanicScore(Filter):
    """Raise as a score is judged, what a Filter may."""

    reads = ("caption",)
    writes = ("caption_match",)

    def measure(self, batch: list[Record]) -> list[Answer]:
        return [{"caption_match": float([*ORDER, record["caption"]].index(record["caption"]))} for record in batch]

    def process(self, batch: list[Record]) -> list[Answer]:
        return self.measure(batch)

    def judge(self, found: Answer) -> Answer:
        number = int(found["caption_match"])  # type: ignore[index, call-overload]
        go_off([*ORDER, "fine"][number])
        return found
