"""Keep the pairs that a person keeps."""

from __future__ import annotations

from pydantic import Field

from datagen import Answer, Map, Record, Reject, StageConfig

_NO_OPERATION = "neither its source nor its first word tells which kind it is"


class ReviewPair(Map):
    """Keep the pairs that a person kept on the review sheet (MIGE, appendix A).

    The source has read the sheet. Rejects as `other_operation` the kinds of edit that nobody is asked about, as
    `undecided` what nobody has decided yet (the run writes it onto the sheet), as `dropped` what a person dropped, and
    as `over_cap` what was kept beyond the cap of its kind.
    """

    reads = ("operation", "decision", "decision_reason", "over_cap")
    rejects = ("other_operation", "undecided", "dropped", "over_cap")
    version = 2

    class Config(StageConfig):
        """What people are asked about."""

        operations: tuple[str, ...] = Field(default=("add", "replace"), min_length=1)
        """Kinds of edit, as the source calls them; others are rejected before anybody is asked."""

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        """Look each decision up."""
        return [self._judged(record) for record in batch]

    def _judged(self, record: Record) -> Answer:
        if record["operation"] not in self.config.operations:
            called = f"its source calls it '{record['operation']:.100}'"
            return Reject("other_operation", called if record["operation"] else _NO_OPERATION)
        if not record["decision"]:
            return Reject("undecided", "nobody decided about it yet")
        if record["decision"] == "drop":
            return Reject("dropped", record["decision_reason"] or "a person dropped it, without a reason")
        over = record["over_cap"]
        return Reject("over_cap", "as many of its kind as are wanted were kept before it") if over else {}
