"""The rows of a ledger as a stream, and whether they add up; nothing is held but 16 bytes a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import StoreError
from datagen.execute.ledger import DROPPED, Counts, Ledger, conservation_faults, count
from datagen.shards.columns import Digests, digests, found_in

_ROWS = 4096
"""Rows of a table, about."""

_NARROW = ("slice", "id", "parent", "status", "stage", "reason", "children", "key")
_SHOWN = 5


def tables(ledger: Ledger, slices: Iterable[str], *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of `slices` in the named columns, which may have `slice`; the rows of one slice follow one another."""
    held: list[pa.Table] = []
    for name in slices:
        table = ledger.read(name, columns=[column for column in columns if column != "slice"])
        held.append(table.append_column("slice", pa.array([name] * table.num_rows, pa.string())).select(columns))
        if sum(table.num_rows for table in held) >= _ROWS:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)


def accepted(ledger: Ledger, slices: Iterable[str], *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The accepted rows of `slices` in the named columns."""
    for table in tables(ledger, slices, columns=[*columns, *({"status"} - {*columns})]):
        yield table.filter(pc.equal(table["status"], "accepted")).select(list(columns))


@dataclass
class Account:
    """What the rows of a ledger come to."""

    counts: Counts = field(default_factory=Counts)
    faults: list[str] = field(default_factory=list)
    """What contradicts that every record ended exactly once."""
    example: str = ""
    """Key of the first accepted sample."""
    failed: list[str] = field(default_factory=list)
    """Ids of the first records that failed."""


def account(ledger: Ledger, cut: Mapping[str, int]) -> Account:
    """Count the records of a ledger, and prove that none is lost or there twice.

    `cut` says how many rows of the source each slice was given.
    """
    found = Account()
    ids: list[Digests] = []
    for slices in _by_slices(tables(ledger, cut, columns=_NARROW)):
        table = pa.concat_tables(slices.values())
        found.counts.add(count(table))
        found.faults += conservation_faults(slices, cut=cut)[: _SHOWN - len(found.faults)]
        found.example = found.example or next(iter(_of(table, "accepted", "key", most=1)), "")
        found.failed += _of(table, "failed", "id", most=_SHOWN - len(found.failed))
        ids.append(digests(table["id"]))
    if not found.faults:
        found.faults += _twice(ledger, cut, ids)
    return found


def _of(table: pa.Table, status: str, column: str, *, most: int) -> list[str]:
    values: list[str] = table[column].filter(pc.equal(table["status"], status)).slice(0, most).to_pylist()
    return values


def _by_slices(stream: Iterable[pa.Table]) -> Iterator[dict[str, pa.Table]]:
    """The rows of some slices at a time, by slice; a slice that two tables share is put together."""
    held: dict[str, pa.Table] = {}
    for table in stream:
        whole: dict[str, pa.Table] = {}
        for name, rows in _split(table):
            if held and name not in held:
                whole.update(held)
                held = {}
            held[name] = pa.concat_tables([held[name], rows]) if name in held else rows
        if whole:
            yield whole
    if held:
        yield held


def _split(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    names = np.asarray(table["slice"].to_numpy(), dtype=object)
    begins = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1), len(names)] if len(names) else []
    for start, stop in pairwise(begins):
        yield str(names[start]), table.slice(start, stop - start)


def _twice(ledger: Ledger, cut: Mapping[str, int], ids: list[Digests]) -> list[str]:
    """Records that ended in two slices; a second look finds their names."""
    every = np.sort(np.concatenate([digests([]), *ids]))
    twice = np.unique(every[1:][every[1:] == every[:-1]])
    names: set[str] = set()
    for table in tables(ledger, cut, columns=["id"]) if len(twice) else ():
        _, known = found_in(twice, digests(table["id"]))
        names.update(table["id"].filter(pa.array(known)).to_pylist())
    return [f"record '{id}' ended twice" for id in sorted(names)[:3]]


def dropped_tables(ledger: Ledger, *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """The named columns of the records that packing rejected. Raises `StoreError` if their file is damaged."""
    name = f"{ledger.folder}/{DROPPED}"
    if not ledger.store.exists(name):
        return
    try:
        with ledger.store.reading(name) as file:
            for batch in pq.ParquetFile(file).iter_batches(_ROWS, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(list(columns))
    except (pa.ArrowException, OSError, KeyError) as error:
        place = f"{ledger.store.address}/{name}"
        raise StoreError(f"{place} is damaged: {error}; run again, which writes it anew") from error
