"""Pairs, each with what a person decided about it.

Decisions are part of the rows, not of a stage's options: a decision that is added
changes the slices of its pairs, and nothing else is computed anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from datagen.core.errors import nearest
from datagen.fetch import scheme_of
from datagen.models.grammar import operation_of
from datagen.sources.base import Source, SourceRow
from datagen.sources.file_listing import Place
from datagen.sources.review_sheet import Decision, read_decisions
from datagen.sources.rows import faulty

_GIVEN = {"target_caption": "given_caption"}
"""What a person decides about is proposed by the pairs, and no more."""
_DECIDED = ("decision", "decision_reason", "reviewed_name", "reviewed_caption", "over_cap")
_MOST_IDS = 10_000
"""That are remembered for the nearest name."""


class Reviewed:
    """The rows of `pairs`; a decision about none of them fails under a name of its own.

    Where they do not say which kind of edit they are, the first word of the instruction tells.
    """

    def __init__(self, path: str, *, pairs: Source, caps: Mapping[str, int]) -> None:
        self.path = path
        self.pairs = pairs
        self._caps = caps

    @property
    def writes(self) -> tuple[str, ...]:
        """What the pairs have, the target's caption under another name, and what was decided."""
        return (*(_GIVEN.get(name, name) for name in self.pairs.writes), *_DECIDED)

    def check(self) -> None:
        """Raise `ConfigError` if the pairs cannot be read, or if a local sheet is not filled in as it should be."""
        self.pairs.check()
        Place(self.path).check_scheme()
        if scheme_of(self.path) == "file":
            read_decisions(self.path)

    def count(self) -> int | None:
        """How many pairs there are, if that can be told."""
        return self.pairs.count()

    def rows(self) -> Iterator[SourceRow]:
        """The pairs in their order, then the decisions about ids that none of them has."""
        decisions = read_decisions(self.path)
        waiting = dict(decisions)
        kept: Counter[str] = Counter()
        ids: list[str] = []
        for row in self.pairs.rows():
            decision = waiting.pop(row.id, decisions.get(row.id, Decision("")))
            ids += [row.id] if len(ids) < _MOST_IDS else []
            yield row if row.error else self._decided(row, decision, kept)
        for id, decision in waiting.items():
            told = f"{self.path}: {decision.where}: no pair has the id '{id:.100}'; {nearest(id, ids):.300}"
            yield faulty(f"%sheet-{decision.where.replace(' ', '')}", told)

    def _decided(self, row: SourceRow, decision: Decision, kept: Counter[str]) -> SourceRow:
        operation = row.fields["operation"] or operation_of(row.fields["text"])
        over = decision.decision == "keep" and kept[operation] >= self._caps.get(operation, kept[operation] + 1)
        kept[operation] += decision.decision == "keep" and not over
        fields = {_GIVEN.get(name, name): value for name, value in row.fields.items()} | {"operation": operation}
        told = (decision.decision, decision.reason, decision.name, decision.caption, over)
        return row._replace(fields={**fields, **dict(zip(_DECIDED, told, strict=True))})
