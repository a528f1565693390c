from __future__ import annotations

from datagen import Children, Expand, Record


class Misspread(Expand):
    """Answer what is no list of children."""

    reads = ("caption",)
    writes = ("subject",)

    def process(self, batch: list[Record]) -> list[Children]:
        answers = {"c0": None, "c1": "abc", "c2": [None], "c3": [{"subject": "fine"}]}
        return [answers[record["caption"]] for record in batch]  # type: ignore[misc]
