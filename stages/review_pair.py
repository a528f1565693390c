"""Keep the pairs that a person keeps."""

from __future__ import annotations

from datagen import Answer, Map, Record, Reject


class ReviewPair(Map):
    """Hold each pair against a person's decision, which its source read from a sheet (MIGE, appendix A).

    What nobody decided yet is rejected as `undecided`, and the run writes it onto the sheet.
    """

    reads = ("decision", "decision_reason", "over_cap")
    rejects = ("undecided", "dropped", "over_cap")
    version = 1

    def process(self, batch: list[Record]) -> list[Answer]:
        """Look each decision up."""
        return [_judged(record) for record in batch]


def _judged(record: Record) -> Answer:
    if not record["decision"]:
        return Reject("undecided", "nobody decided about it yet")
    if record["decision"] == "drop":
        return Reject("dropped", record["decision_reason"] or "a person dropped it, without a reason")
    return Reject("over_cap", "as many of its kind as are wanted were kept before it") if record["over_cap"] else {}
