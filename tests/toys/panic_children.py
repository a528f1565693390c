from __future__ import annotations

from datagen import Children, Expand, Record
from toys._panics import go_off


class PanicChildren(Expand):
    """Raise what an Expand may."""

    reads = ("caption",)
    writes = ("subject",)

    def process(self, batch: list[Record]) -> list[Children]:
        for record in batch:
            go_off(record["caption"])
        return [[{"subject": "one"}] for _ in batch]
