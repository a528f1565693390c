"""Write what a sample says of an addition."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject
from datagen.core.sample_rows import edit_row, reference_row, source_row


class DescribeAddition(Map):
    """Write the edit, the masks and the inputs of a sample that adds a subject.

    The inputs are the reference, for which the first placeholder stands, then the source. `masks[0]` is all pixels that
    differ and those of the new subject, `masks[1]` the new subject alone. Box and masks are in pixels of the target.
    Rejects as `sizes_differ` a pair whose target is not as large as its source.
    """

    reads = ("source", "target", "text", "subject", "mask", "box")
    writes = ("masks", "edits", "inputs", "task")
    rejects = ("sizes_differ",)
    version = 2

    def process(self, batch: list[Record]) -> list[Answer]:
        """Describe each pair."""
        return [_described(record) for record in batch]


def _described(record: Record) -> Answer:
    before, after = record["source"].size, record["target"].size
    if before != after:
        return Reject("sizes_differ", "the source is {}x{}, the target {}x{}".format(*before, *after))
    subject, mask_HW = record["subject"], record["mask"]
    changed_HW = (record["source"].array != record["target"].array).any(axis=2)
    return {
        # a pixel of the subject may have the colour of what it covers: it belongs to the edit all the same
        "masks": [changed_HW | mask_HW, mask_HW],
        "edits": [edit_row(record["text"], operation="add", subject=subject, box=record["box"], mask="mask_0.png")],
        "inputs": [reference_row(subject), source_row()],
        "task": "subject_add",
    }
