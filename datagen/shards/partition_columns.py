"""Distributes the wide columns of samples to their shards through buckets on disk, in bounded memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datagen.shards.columns import ACCEPTED, WIDE, Rows
from datagen.shards.plan import Plan
from datagen.storage.store import Store

_BUCKET_ROWS = 50_000
_MOST_BUCKETS = 256
_HELD = 16 << 20
"""Bytes of rows that are collected before they are written to their buckets."""

_ROWS = pa.schema([ACCEPTED.field(name) for name in WIDE])
_PLACED = pa.schema([("shard", pa.int32()), ("place", pa.int32()), *_ROWS])
_PACKED = pa.ipc.IpcWriteOptions(compression="zstd")


def rows_file(folder: str, stem: str) -> str:
    """The file with the rows of a shard, until the shard is written."""
    return f"{folder}/{stem}.rows.arrow"


def partition_rows(store: Store, rows: Rows, *, plan: Plan, folder: str, wanted: Collection[int]) -> None:
    """Write the rows of each of the `wanted` shards, in their order, into a file of its own.

    Rows go through at most 256 buckets of neighbouring shards. Memory: 16 MB of rows while buckets are filled, then one
    bucket at a time. A bucket has about 50,000 rows, or a 256th of all rows if that is more, but at least one shard.
    """
    if not wanted:
        return
    bucket_of = _buckets([shard.samples for shard in plan.shards], wanted)
    files = [f"{folder}/bucket-{number:03d}.arrow" for number in range(bucket_of.max() + 1)]
    with ExitStack() as stack:
        writers = [_writer(store, name, stack) for name in files]
        for table in _batches(_placed(rows, plan, bucket_of)):
            buckets = bucket_of[table["shard"].to_numpy()]
            order = np.argsort(buckets, kind="stable")
            table = table.take(pa.array(order))
            ends = np.searchsorted(buckets[order], np.arange(len(files) + 1))
            for number in np.flatnonzero(np.diff(ends)):
                writers[number].write_table(table.slice(ends[number], ends[number + 1] - ends[number]))
    for name in files:
        _write_shard_rows(store, name, plan=plan, folder=folder)
        store.remove(name)


def _buckets(samples: Sequence[int], wanted: Collection[int]) -> NDArray[np.int32]:
    """The number of the bucket by shard; -1 if the shard is not wanted."""
    found = np.full(len(samples), -1, np.int32)
    chosen = sorted(wanted)
    counts = np.array([samples[number] for number in chosen])
    limit = max(_BUCKET_ROWS, -(-int(counts.sum()) // _MOST_BUCKETS))
    found[chosen] = (np.cumsum(counts) - counts) // limit
    # consecutive numbers: a shard larger than the limit leaves gaps, and each number opens a file
    _, found[chosen] = np.unique(found[chosen], return_inverse=True)
    return found


def _writer(store: Store, name: str, stack: ExitStack) -> pa.ipc.RecordBatchStreamWriter:
    file = stack.enter_context(store.writing(name))
    return stack.enter_context(pa.ipc.new_stream(file, _PLACED, options=_PACKED))


def _placed(rows: Rows, plan: Plan, bucket_of: NDArray[np.int32]) -> Iterator[pa.Table]:
    """The rows of wanted shards, with the columns `shard` and `place` added."""
    for table in rows(WIDE):
        at, known = plan.find(table["key"])
        known &= bucket_of[plan.shard[at]] >= 0 if len(plan.keys) else False
        chosen, at = table.filter(pa.array(known)), at[known]
        columns = [_typed(chosen[field.name], field.type) for field in _ROWS]
        yield pa.table([pa.array(plan.shard[at]), pa.array(plan.place[at]), *columns], schema=_PLACED)


def _typed(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    typed = column.cast(kind)
    return pc.fill_null(typed, "") if pa.types.is_large_string(kind) else typed


def _batches(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of about `_HELD` bytes, so that each write to a bucket is large."""
    held: list[pa.Table] = []
    size = 0
    for table in tables:
        held.append(table)
        size += table.nbytes
        if size >= _HELD:
            yield pa.concat_tables(held)
            held, size = [], 0
    if held:
        yield pa.concat_tables(held)


def _write_shard_rows(store: Store, bucket: str, *, plan: Plan, folder: str) -> None:
    """Write the rows of one bucket to the files of their shards."""
    with store.reading(bucket) as file, pa.ipc.open_stream(file) as stream:
        table = stream.read_all()
    table = table.sort_by([("shard", "ascending"), ("place", "ascending")])
    shards = table["shard"].to_numpy()
    begins = np.flatnonzero(np.diff(shards, prepend=-1))
    for start, stop in zip(begins, [*begins[1:], len(shards)], strict=True):
        rows = table.slice(start, stop - start).select(_ROWS.names)
        name = rows_file(folder, plan.shards[shards[start]].stem)
        with store.writing(name) as out, pa.ipc.new_stream(out, _ROWS, options=_PACKED) as writer:
            writer.write_table(rows)


def read_rows(store: Store, folder: str, stem: str) -> pa.Table:
    """The rows of a shard, in their order, with the columns `WIDE`."""
    with store.reading(rows_file(folder, stem)) as file, pa.ipc.open_stream(file) as stream:
        return stream.read_all()
