from __future__ import annotations

from datagen import Children, Expand, Record
from datagen.core.fields import MOST_OBJECTS


class Litter(Expand):
    """One child, or one too many of a record called `many`."""

    reads = ("caption",)
    writes = ("subject",)

    def process(self, batch: list[Record]) -> list[Children]:
        return [[{"subject": "s"}] * (MOST_OBJECTS + 1 if record["caption"] == "many" else 1) for record in batch]
