"""Put the reference into its caption."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject
from datagen.core.sample_rows import reference_row
from datagen.models.grammar import find_mention, refuse_placeholder, replace_spans


class PlaceReference(Map):
    """Write the caption with `<imagehere>` for the subject, whose reference picture is there already.

    The target is all new, as on a blank canvas: the record has no `source`. A caption that does not name
    its subject is rejected as `unnamed`.
    """

    reads = ("caption", "subject")
    writes = ("instruction", "text", "inputs", "edits", "task")
    rejects = ("unnamed",)
    version = 2

    def process(self, batch: list[Record]) -> list[Answer]:
        """Each caption with its subject replaced."""
        return [_placed(record["caption"], record["subject"]) for record in batch]


def _placed(caption: str, subject: str) -> Answer:
    refuse_placeholder(caption)
    span = find_mention(caption, subject)
    if span is None:
        return Reject("unnamed", f"the caption does not say '{subject:.100}'")
    return {
        "instruction": replace_spans(caption, [span]),
        "text": caption,
        "inputs": [reference_row(subject)],
        "edits": [],
        "task": "subject_generation",
    }
