from __future__ import annotations

from datagen import Answer, Field, Map, Record


class Clash(Map):
    """Declares a field that another stage declares otherwise."""

    writes = ("verdict",)
    fields = (Field("verdict", "score", "How sure the judge is."),)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"verdict": 1.0} for _ in batch]
