"""The source `reviewed`: pairs of another source, each with a person's decision from a review sheet.

Decisions are part of the rows, not of a stage's options: a new decision changes only the slices of its pairs, and all
other results are reused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from datagen.core.errors import nearest
from datagen.fetch import scheme_of
from datagen.models.grammar import operation_of
from datagen.sources.base import Source, SourceOptions, SourceRow
from datagen.sources.file_listing import FileListing
from datagen.sources.formats.pairs import PairSources
from datagen.sources.formats.seed_edit import SeedEditPart1Config
from datagen.sources.formats.try_on import TryOnConfig
from datagen.sources.review_sheet import Decision, read_decisions
from datagen.sources.rows import faulty_row
from datagen.sources.tables import PairsConfig


class ReviewedConfig(SourceOptions):
    """Pairs with what a person decided about them, read from a sheet that runs write and the person fills in."""

    kind: Literal["reviewed"] = "reviewed"
    """Another source's pairs, and a sheet."""
    path: str = Field(min_length=1)
    """The sheet, a .csv, .tsv or .jsonl. It need not be there: each run adds what waits for a person, and changes
    nothing that the person wrote."""
    of: Annotated[PairsConfig | SeedEditPart1Config | TryOnConfig | PairSources, Field(discriminator="kind")]
    """Where the pairs come from."""
    caps: dict[str, Annotated[int, Field(ge=1)]] = {}
    """Most pairs that are kept of an operation, such as {add: 500, replace: 500}, in the order of the source."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Reviewed(self.path, pairs=self.of.load(), caps=self.caps)


_GIVEN = {"target_caption": "given_caption"}
"""Fields of the pairs that get another name here: they are only proposals for the person."""
_DECIDED = ("decision", "decision_reason", "reviewed_name", "reviewed_caption", "over_cap")
_MOST_IDS = 10_000
"""The most ids that are remembered to suggest the nearest one in an error."""


class Reviewed:
    """The rows of `pairs` with the decisions in a sheet. A decision whose id no pair has becomes a failed row.

    If a pair does not name its kind of edit, the kind is derived from the first word of its instruction.
    """

    def __init__(self, path: str, *, pairs: Source, caps: Mapping[str, int]) -> None:
        self.path = path
        self.pairs = pairs
        self._caps = caps

    @property
    def writes(self) -> tuple[str, ...]:
        """The fields of the pairs, with the target's caption under another name, and those of the decision."""
        return (*(_GIVEN.get(name, name) for name in self.pairs.writes), *_DECIDED)

    def check(self) -> None:
        """Raise `ConfigError` if the pairs cannot be read, or if a local sheet is filled in wrongly."""
        self.pairs.check()
        FileListing(self.path).check_scheme()
        if scheme_of(self.path) == "file":
            read_decisions(self.path)

    def count(self) -> int | None:
        """The number of pairs, if their source knows it."""
        return self.pairs.count()

    def rows(self) -> Iterator[SourceRow]:
        """The pairs in their order, then an error for each decision whose id no pair has."""
        decisions = read_decisions(self.path)
        waiting = dict(decisions)
        taken: Counter[str] = Counter()
        ids: list[str] = []
        for row in self.pairs.rows():
            decision = waiting.pop(row.id, decisions.get(row.id, Decision("")))
            ids += [row.id] if len(ids) < _MOST_IDS else []
            yield row if row.error else self._decided(row, decision, taken)
        for id, decision in waiting.items():
            error = f"{self.path}: {decision.where}: no pair has the id '{id:.100}'; {nearest(id, ids):.300}"
            yield faulty_row(f"%sheet-{decision.where.replace(' ', '')}", error)

    def _decided(self, row: SourceRow, decision: Decision, taken: Counter[str]) -> SourceRow:
        operation = row.fields["operation"] or operation_of(row.fields["text"])
        over = decision.decision == "keep" and taken[operation] >= self._caps.get(operation, taken[operation] + 1)
        taken[operation] += decision.decision == "keep" and not over
        fields = {_GIVEN.get(name, name): value for name, value in row.fields.items()} | {"operation": operation}
        values = (decision.decision, decision.reason, decision.name, decision.caption, over)
        return row._replace(fields={**fields, **dict(zip(_DECIDED, values, strict=True))})
