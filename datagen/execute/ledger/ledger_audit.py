"""Audit of a ledger: counts its records and checks that each has exactly one end.

The rows are streamed; memory grows by eight bytes a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.core.errors import StoreError
from datagen.execute.ledger.conservation import Conservation
from datagen.execute.ledger.ledger import DROPPED, Counts, Ledger, count
from datagen.shards.table import UNREADABLE

_ROWS = 4096
"""Approximate number of rows of a table."""

_NARROW = ("slice", "id", "parent", "status", "stage", "reason", "children", "key")
_SHOWN = 5


def accepted_tables(ledger: Ledger, slices: Iterable[str], *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the accepted rows of `slices`, with the named columns."""
    for table in ledger.tables(slices, columns=[*columns, *({"status"} - {*columns})]):
        yield table.filter(pc.equal(table["status"], "accepted")).select(list(columns))


@dataclass
class LedgerAudit:
    """The result of an audit."""

    counts: Counts = field(default_factory=Counts)
    faults: list[str] = field(default_factory=list)
    """Contradictions to "every record ended exactly once"."""
    example: str = ""
    """Key of the first accepted sample; '' if there is none."""
    failed: list[str] = field(default_factory=list)
    """Ids of the first records that failed."""


def audit_ledger(ledger: Ledger, cut: Mapping[str, int]) -> LedgerAudit:
    """Count the records of a ledger, and check that none is lost and none is there twice.

    `cut` has the number of source rows that each slice was given.
    """
    found = LedgerAudit()
    conservation = Conservation(cut)
    for table in ledger.tables(cut, columns=_NARROW):
        found.counts.add(count(table))
        conservation.add(table)
        found.example = found.example or next(iter(_first_values(table, "accepted", "key", most=1)), "")
        found.failed += _first_values(table, "failed", "id", most=_SHOWN - len(found.failed))
    found.faults = conservation.faults(lambda: ledger.tables(cut, columns=["id"]))
    return found


def _first_values(table: pa.Table, status: str, column: str, *, most: int) -> list[str]:
    values: list[str] = table[column].filter(pc.equal(table["status"], status)).slice(0, most).to_pylist()
    return values


def dropped_tables(ledger: Ledger, *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield the records that packing rejected, with the named columns. Raises `StoreError` if their file is damaged."""
    name = f"{ledger.folder}/{DROPPED}"
    if not ledger.store.exists(name):
        return
    try:
        with ledger.store.reading(name) as file:
            for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=list(columns)):
                table = pa.Table.from_batches([batch]).select(list(columns))
                table.validate(full=True)
                yield table
    except UNREADABLE as error:
        place = f"{ledger.store.address}/{name}"
        raise StoreError(f"{place} is damaged: {error}; run again, which writes it anew") from error
