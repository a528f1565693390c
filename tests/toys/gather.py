from __future__ import annotations

from datagen import Combine, Joined, Lost, Merged, Record


class Gather(Combine):
    """One record of each parent's children, that counts them and those that were lost."""

    reads = ("subject",)
    writes = ("subject",)

    def process_group(self, records: list[Record], lost: list[Lost]) -> Joined:
        names = "+".join(record["subject"] for record in records)
        return [Merged(records[0], {"subject": f"{names} without {len(lost)}"})]
