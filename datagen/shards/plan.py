"""Which sample goes where: duplicates, split, shuffle and cut, over columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datagen.errors import StoreError
from datagen.shards.index import SHARDS, SPLITS, Split
from datagen.shards.options import OutputOptions

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

MB = 1_000_000
DUPLICATE = "duplicate"

ACCEPTED = pa.schema(
    [(name, pa.large_string()) for name in ("id", "key", "source_sha256", "part")]
    + [(name, pa.int64()) for name in ("offset", "size")]
    + [(name, pa.large_string()) for name in ("members", "content", "task", "instruction", "license", "scores")]
)
"""Columns of the accepted samples that pack takes.

`part` is a path in the store, `offset` and `size` the sample's bytes in it;
`members` is JSON {name: [offset in the part, size]}, `scores` JSON
{name: value}.
"""


class ShardPlan(NamedTuple):
    """A shard that is to be: the samples to copy into it, in their order."""

    path: str
    split: Split
    rows: pa.Table
    """Columns row (its number in the accepted table), key, part, offset, size."""


def take_accepted(table: pa.Table) -> pa.Table:
    """The table in the columns and types of `ACCEPTED`. Raises `StoreError` if two samples share a key."""
    columns = [table[field.name].cast(field.type) for field in ACCEPTED]
    filled = [pc.fill_null(column, "") if pa.types.is_large_string(column.type) else column for column in columns]
    accepted = pa.table(filled, schema=ACCEPTED)
    counts = pc.value_counts(accepted["key"])
    twice = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        raise StoreError(f"two accepted samples have the key '{twice[0]['values']}'; the ledger is damaged")
    return accepted


def drop_duplicates(accepted: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Those that come first of their content, and of the others (id, key, reason, of: the key that stays)."""
    codes = _codes(accepted["content"])
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    stays = first[inverse] == np.arange(len(codes))
    later = np.flatnonzero(~stays)
    dropped = accepted.select(["id", "key"]).take(later)
    dropped = dropped.append_column("reason", pa.array([DUPLICATE] * len(later), pa.large_string()))
    dropped = dropped.append_column("of", accepted["key"].take(first[inverse[later]]))
    return accepted.filter(pa.array(stays)), dropped


def plan_shards(accepted: pa.Table, *, options: OutputOptions, seed: int) -> list[ShardPlan]:
    """Shards of about the target size, first train then val, each split shuffled by `seed`."""
    if not accepted.num_rows:
        return []
    order = _shuffled(accepted["key"], seed)
    in_val = _in_val(accepted["source_sha256"], options.val_fraction, seed)[order]
    plans = []
    for split, rows in zip(SPLITS, (order[~in_val], order[in_val]), strict=True):
        sizes = accepted["size"].to_numpy()[rows]
        for number, (start, stop) in enumerate(cut(sizes, int(options.shard_mb * MB))):
            path = f"{SHARDS}/{split}-{number:06d}.tar"
            plans.append(ShardPlan(path, split, _planned(accepted, rows[start:stop])))
    return plans


def cut(sizes: Numbers, limit: int) -> Iterator[tuple[int, int]]:
    """Consecutive runs that sum to `limit` at most; what is larger stands alone."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + limit, side="right")))
        yield start, stop
        start = stop


def _planned(accepted: pa.Table, rows: Numbers) -> pa.Table:
    chosen = accepted.select(["key", "part", "offset", "size"]).take(rows)
    return chosen.add_column(0, "row", pa.array(rows))


def _codes(column: pa.ChunkedArray) -> Numbers:
    """Equal numbers for equal values."""
    encoded = column.combine_chunks().dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def _digests(values: Iterable[object], seed: int) -> NDArray[np.uint64]:
    """sha256 of `seed|value`, its first 128 bits as two numbers, one row a value."""
    joined = b"".join(hashlib.sha256(f"{seed}|{value}".encode()).digest()[:16] for value in values)
    return np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, 2)


def _shuffled(keys: pa.ChunkedArray, seed: int) -> Numbers:
    """Row numbers in an order that depends on keys and seed alone."""
    digests = _digests((key.as_py() for key in keys), seed)
    return np.lexsort((digests[:, 1], digests[:, 0]))


def _in_val(sources: pa.ChunkedArray, fraction: float, seed: int) -> Flags:
    """Whether each row's source goes to val; a source stays where it is when others come.

    Where chance leaves val empty, or train, the source at that end goes there.
    """
    encoded = sources.combine_chunks().dictionary_encode()
    names = encoded.dictionary.to_pylist()
    drawn = _digests((f"split|{name}" for name in names), seed)[:, 0] / 2.0**64
    chosen = drawn < fraction
    if fraction > 0 and not chosen.any():
        chosen[np.argmin(drawn)] = True
    if chosen.all():
        chosen[np.argmax(drawn)] = False
    return np.asarray(chosen[_codes(sources)], dtype=np.bool_)
