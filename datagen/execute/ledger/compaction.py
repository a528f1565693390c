"""Merges the ledger's files of single slices into files of about a thousand slices."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from datagen.core.errors import StoreError
from datagen.execute.ledger.entries import ROWS_A_GROUP, SliceLocation, compacted_name, in_order, number_of, singles_of
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.rows import SCHEMA

SLICES = 1000
"""In a compacted file, at most; also how many commits a run lets pass between two compactions."""
AT_LEAST = 64
"""Files that are worth merging: fewer are read side by side in one go, which is as fast as reading one."""


def _all(number: int) -> bool:  # noqa: ARG001 - a whole run takes them all
    return True


def compact(ledger: Ledger, *, takes: Callable[[int], bool] = _all, at_least: int = AT_LEAST) -> int:
    """Merge the single files of slices whose numbers `takes` is true of; how many slices were merged.

    The merged file is written whole before the first single one goes, and of equal rounds the merged
    one counts: killed anywhere, nothing is lost and nothing counts twice. Files that cannot be read
    stay as they are. Below `at_least` there is nothing to do but to sweep what a killed one left.
    """
    listing = ledger.listing()
    mine = in_order(slice for slice in listing.singles if takes(number_of(slice)))
    fresh = [slice for slice in mine if not listing.places[slice].is_compacted]
    merged = {slice for slice in mine if listing.places[slice].is_compacted}
    if fresh and len(fresh) >= at_least:
        files = -(-len(fresh) // SLICES)
        size = -(-len(fresh) // files)
        for start in range(0, len(fresh), size):
            merged |= _merge(ledger, {name: listing.places[name] for name in fresh[start : start + size]})
    swept = [f"{ledger.folder}/{file}" for slice in in_order(merged) for file in listing.singles[slice].values()]
    ledger.store.remove_files(swept)
    return len(merged & set(fresh))


def _merge(ledger: Ledger, places: Mapping[str, SliceLocation]) -> set[str]:
    """Write one file of the slices at `places`; the names of those that could be read, and so are in it."""
    rounds: dict[str, int] = {}
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        for group in _groups(ledger, places, rounds):
            writer.write_table(group, row_group_size=ROWS_A_GROUP)
        writer.add_key_value_metadata({"slices": json.dumps(rounds)})
    if rounds:
        data = buffer.getvalue()
        ledger.store.write(f"{ledger.folder}/{compacted_name(list(rounds), data)}", data)
    return set(rounds)


def _groups(ledger: Ledger, places: Mapping[str, SliceLocation], rounds: dict[str, int]) -> Iterator[pa.Table]:
    """The rows, some thousands at a time; notes the round of each slice as it is read."""
    held: list[pa.Table] = []
    for slice, table in singles_of(ledger.store, ledger.folder, places=places):
        if isinstance(table, StoreError):
            continue
        rounds[slice] = places[slice].round
        held.append(table)
        if sum(part.num_rows for part in held) >= ROWS_A_GROUP:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
