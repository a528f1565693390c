"""The rows of a ledger as a stream, and whether they add up; nothing is held but eight bytes a record."""

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
"""Rows of a table, about."""

_NARROW = ("slice", "id", "parent", "status", "stage", "reason", "children", "key")
_SHOWN = 5


def accepted_tables(ledger: Ledger, slices: Iterable[str], *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The accepted rows of `slices` in the named columns."""
    for table in ledger.tables(slices, columns=[*columns, *({"status"} - {*columns})]):
        yield table.filter(pc.equal(table["status"], "accepted")).select(list(columns))


@dataclass
class LedgerAudit:
    """What the rows of a ledger come to."""

    counts: Counts = field(default_factory=Counts)
    faults: list[str] = field(default_factory=list)
    """What contradicts that every record ended exactly once."""
    example: str = ""
    """Key of the first accepted sample."""
    failed: list[str] = field(default_factory=list)
    """Ids of the first records that failed."""


def audit_ledger(ledger: Ledger, cut: Mapping[str, int]) -> LedgerAudit:
    """Count the records of a ledger, and prove that none is lost or there twice.

    `cut` says how many rows of the source each slice was given.
    """
    found = LedgerAudit()
    conservation = Conservation(cut)
    for table in ledger.tables(cut, columns=_NARROW):
        found.counts.add(count(table))
        conservation.add(table)
        found.example = found.example or next(iter(_of(table, "accepted", "key", most=1)), "")
        found.failed += _of(table, "failed", "id", most=_SHOWN - len(found.failed))
    found.faults = conservation.faults(lambda: ledger.tables(cut, columns=["id"]))
    return found


def _of(table: pa.Table, status: str, column: str, *, most: int) -> list[str]:
    values: list[str] = table[column].filter(pc.equal(table["status"], status)).slice(0, most).to_pylist()
    return values


def dropped_tables(ledger: Ledger, *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The named columns of the records that packing rejected. Raises `StoreError` if their file is damaged."""
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
