"""Cuts a source into slices, the same ones in every run.

A slice is the unit of scheduling, commit and resume. Its name contains a hash of its rows: after a change of the
source, only the changed slices are new to the ledger and run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError
from datagen.core.redact import redact_data
from datagen.sources.base import Source, SourceRow


class Slice(NamedTuple):
    """Consecutive rows of the source."""

    number: int
    rows: tuple[SourceRow, ...]

    @property
    def name(self) -> str:
        """Its number and a hash of its rows."""
        text = json.dumps([[row.id, _plain(row.fields), row.error] for row in self.rows], sort_keys=True)
        return f"{self.number:06d}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


class Job(NamedTuple):
    """A slice to run."""

    slice: Slice
    round: int = 0
    """How often it was committed before. Damaged slices, and those with failures to retry, run in a further round."""
    sources: frozenset[str] | None = None
    """Ids of the rows to run; None for all."""
    only: frozenset[str] | None = None
    """Ids of the records that go on of those that stages make; None for all."""


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return fields if isinstance(fields, dict) else dict(fields)


def cut(source: Source, *, size: int, group_by: str = "", limit: int | None = None) -> Iterator[Slice]:
    """Yield slices of `size` rows, of the first `limit` rows or of all.

    If rows are grouped by a field, a slice is longer where its last group goes on, as a group never spans slices. Rows
    of a group have to follow each other: a row of a group that has ended fails. A faulty row counts to the group around
    it, as its own is unknown. Raises `ConfigError` if the source has no field `group_by`.
    """
    rows = source.rows() if limit is None else islice(source.rows(), limit)
    if group_by and group_by not in source.writes:
        raise ConfigError(f"the source has no field '{group_by}' to group by; it has: {', '.join(source.writes)}")
    for number, part in enumerate(_parts(rows, size, group_by)):
        yield Slice(number, _without_secrets(part))


def _without_secrets(rows: Sequence[SourceRow]) -> tuple[SourceRow, ...]:
    """The rows, with another id for each row whose id holds a secret, because ids are in the ledger and in keys."""
    ids = "\n".join(row.id for row in rows)  # searched together, as there may be millions
    return tuple(rows) if redact_data(ids) == ids else tuple(map(_without_secret, rows))


def _without_secret(row: SourceRow) -> SourceRow:
    id = redact_data(row.id)
    return row if id == row.id else row._replace(id=f"{id}%{_short_hash(row.id)}")


def _short_hash(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _parts(rows: Iterable[SourceRow], size: int, group_by: str) -> Iterator[list[SourceRow]]:
    part: list[SourceRow] = []
    closed: set[str] = set()
    last = ""
    for row in rows:
        group = last if row.error else str(row.fields.get(group_by, "")) if group_by else ""
        if len(part) >= size and not (group and group == last):
            yield part
            part = []
        if group and group != last and group in closed:
            row = SourceRow(row.id, {}, f"its {group_by} '{group}' was closed by other rows; put equal ones together")
        closed.update([last] if last and group != last else [])
        last = group
        part.append(row)
    if part:
        yield part
