from __future__ import annotations

from datagen import Combine, Joined, Lost, Merged, Record
from toys._panics import go_off


class PanicGroup(Combine):
    """Raise what a Combine may."""

    reads = ("caption", "session")
    writes = ("subject",)
    by = "session"

    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        for record in records:
            go_off(record["caption"])
        return [Merged(records[0], {"subject": "all"})]
