"""Describe targets as a person does."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject


class ReviewCaption(Map):
    """Take the target's caption from the sheet that a person filled in; without one it is rejected as `undecided`.

    MIGE's people take out what is not to be seen (appendix A).
    """

    reads = ("proposed_caption", "reviewed_caption")
    writes = ("target_caption",)
    rejects = ("undecided",)
    version = 1

    def process(self, batch: list[Record]) -> list[Answer]:
        """Look each caption up."""
        return [_captioned(record) for record in batch]


def _captioned(record: Record) -> Answer:
    if not record["reviewed_caption"]:
        return Reject("undecided", f"nobody looked at the caption '{record['proposed_caption']:.100}' yet")
    return {"target_caption": record["reviewed_caption"]}
