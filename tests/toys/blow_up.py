from __future__ import annotations

from datagen import Answer, Failed, Map, Record


class BlowUp(Map):
    """Raise for records called `bomb`, fail those called `dud`; one alarm for the whole batch."""

    reads = ("caption",)
    writes = ("task",)

    def process(self, batch: list[Record]) -> list[Answer]:
        if any(record["caption"] == "bomb" for record in batch):
            raise ValueError("it went off")
        return [Failed("it fizzled") if record["caption"] == "dud" else {"task": "toy"} for record in batch]
