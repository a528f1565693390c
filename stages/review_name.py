"""Take names that people corrected."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject


class ReviewName(Map):
    """Take the subject's name from the sheet that a person filled in.

    Rejects as `undecided` a record whose name nobody has looked at yet.
    """

    reads = ("proposed_name", "reviewed_name")
    writes = ("subject",)
    rejects = ("undecided",)
    version = 1

    def process(self, batch: list[Record]) -> list[Answer]:
        """Look each name up."""
        return [_named(record) for record in batch]


def _named(record: Record) -> Answer:
    if not record["reviewed_name"]:
        return Reject("undecided", f"nobody looked at the name '{record['proposed_name']:.100}' yet")
    return {"subject": record["reviewed_name"]}
