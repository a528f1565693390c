from __future__ import annotations

import json

from datagen import Answer, Map, Record


class Carry(Map):
    """Answer the JSON in the caption as what a finished sample brings along."""

    reads = ("caption",)
    writes = ("carried",)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"carried": json.loads(record["caption"])} for record in batch]
