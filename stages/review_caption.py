"""Take captions that people corrected."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject


class ReviewCaption(Map):
    """Take the target's caption from the sheet that a person filled in.

    In MIGE people remove from captions what the picture does not show (appendix A). Rejects as `undecided` a record
    whose caption nobody has looked at yet.
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
