"""Compaction: merges the ledger's single-slice files into files of about a thousand slices each."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.core.errors import StoreError
from datagen.execute.ledger.entries import (
    ROWS_PER_GROUP,
    SliceLocation,
    compacted_name,
    in_order,
    number_of,
    singles_of,
)
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.rows import SCHEMA

SLICES_PER_FILE = 1000
"""The most slices in a compacted file. A run also compacts once per this number of commits."""
MIN_FILES = 64
"""The fewest files that are worth merging. Fewer are read concurrently, which is as fast as reading one file."""


def _all(number: int) -> bool:  # noqa: ARG001 - a whole run takes them all
    return True


def compact(ledger: Ledger, *, takes: Callable[[int], bool] = _all, at_least: int = MIN_FILES) -> int:
    """Merge the single-slice files of the slices whose number satisfies `takes`; returns how many slices were merged.

    The process may be killed at any point: no row is lost and no row counts twice. Files that cannot be read stay as
    they are. If fewer than `at_least` files can be merged, only the leftovers of a killed compaction are removed.
    """
    listing = ledger.listing()
    # A slice that has a compacted file and single files is left of a compaction that was killed.
    mine = in_order(slice for slice in listing.singles if takes(number_of(slice)))
    fresh = [slice for slice in mine if not listing.locations[slice].is_compacted]
    merged = {slice for slice in mine if listing.locations[slice].is_compacted}
    if fresh and len(fresh) >= at_least:
        files = -(-len(fresh) // SLICES_PER_FILE)
        size = -(-len(fresh) // files)  # files of equal size, not full ones and a small rest
        for start in range(0, len(fresh), size):
            merged |= _merge(ledger, {name: listing.locations[name] for name in fresh[start : start + size]})
    # Only now: the merged file is complete, and for equal rounds it takes precedence over the single files.
    obsolete = [f"{ledger.folder}/{file}" for slice in in_order(merged) for file in listing.singles[slice].values()]
    ledger.store.remove_files(obsolete)
    return len(merged & set(fresh))


def _merge(ledger: Ledger, locations: Mapping[str, SliceLocation]) -> set[str]:
    """Write the slices at `locations` into one file; returns the names of those that could be read and are in it."""
    rounds: dict[str, int] = {}
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        for group in _groups(ledger, locations, rounds):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)
        writer.add_key_value_metadata({"slices": json.dumps(rounds)})
    if rounds:
        data = buffer.getvalue()
        ledger.store.write(f"{ledger.folder}/{compacted_name(list(rounds), data)}", data)
    return set(rounds)


def _groups(ledger: Ledger, locations: Mapping[str, SliceLocation], rounds: dict[str, int]) -> Iterator[pa.Table]:
    """Yield the rows, some thousands at a time, and enter the round of each slice into `rounds` as it is read."""
    pending: list[pa.Table] = []
    for slice, table in singles_of(ledger.store, ledger.folder, locations=locations):
        if isinstance(table, StoreError):
            continue
        rounds[slice] = locations[slice].round
        pending.append(table)
        if sum(part.num_rows for part in pending) >= ROWS_PER_GROUP:
            yield pa.concat_tables(pending)
            pending = []
    if pending:
        yield pa.concat_tables(pending)
