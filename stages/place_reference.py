"""Put the reference into its caption."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject
from datagen.core.sample_rows import reference_row
from datagen.models.grammar.names_in_captions import mention
from datagen.models.grammar.placeholders import refuse_placeholder, replaced


class PlaceReference(Map):
    """Replace the subject's name in the caption by `<imagehere>`.

    The record already has the reference picture. The target is all new, as on a blank canvas, so that there is no
    `source`. Rejects as `unnamed` a caption that does not name its subject.
    """

    reads = ("caption", "subject")
    writes = ("instruction", "text", "inputs", "edits", "task")
    rejects = ("unnamed",)
    version = 2

    def process(self, batch: list[Record]) -> list[Answer]:
        """Each caption with its subject replaced."""
        return [_placed(record["caption"], record["subject"]) for record in batch]


def _placed(caption: str, subject: str) -> Answer:
    refuse_placeholder(caption)  # nobody could distinguish it from the one that is put in here
    span = mention(caption, subject)
    if span is None:
        return Reject("unnamed", f"the caption does not say '{subject:.100}'")
    return {
        "instruction": replaced(caption, [span]),
        "text": caption,
        "inputs": [reference_row(subject)],
        "edits": [],
        "task": "subject_generation",
    }
