"""One packing job: copies the samples of a shard from parts, and writes its fragment of the index."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from datagen.core.errors import StoreError
from datagen.core.options import Options
from datagen.shards.index import INDEX_VERSION, ShardInfo, Split, index_schema
from datagen.shards.partition_columns import read_rows
from datagen.shards.plan import MB, Shard, cut
from datagen.shards.writer import ending
from datagen.storage.store import Store

_CHUNK = 16 * MB
"""Bytes of samples in memory at once."""


class ShardJob(NamedTuple):
    """Everything that a worker needs to write a shard. The rows of the shard lie in `folder` of the store."""

    address: str
    folder: str
    path: str
    split: Split
    samples: int
    writer: str = ""
    """Token of the lock under which the dataset is packed."""


class ShardDone(Options):
    """A written shard; also the content of its marker file."""

    info: ShardInfo
    fragment: str
    """The sha256 of its index fragment."""
    members: list[str]
    licenses: dict[str, int]
    """Number of samples by licence."""
    tasks: dict[str, int]
    index: int = 1
    """Version of the columns of its index fragment; the first markers have none."""


def write_shard(job: ShardJob) -> ShardDone:
    """Write one shard, its index fragment, and its marker last. Holds about 16 MB of samples in memory.

    Raises `StoreError` if the bytes of a sample do not match the checksum in the ledger.
    """
    store = Store(job.address, writer=job.writer)
    shard = Shard(job.path, job.split, job.samples)
    rows = read_rows(store, job.folder, shard.stem)
    if rows.num_rows != job.samples:
        raise StoreError(
            f"{store.address}: the ledger changed while it was packed, {job.path} was to have {job.samples} samples "
            f"and has {rows.num_rows}; run again"
        )
    info, sizes = _copy(store, shard, rows)
    index = _index_rows(shard, rows, sizes)
    buffer = io.BytesIO()
    pq.write_table(index, buffer)
    store.write(f"{job.folder}/{fragment_file(shard.stem)}", buffer.getvalue())
    done = ShardDone(
        info=info,
        fragment=hashlib.sha256(buffer.getvalue()).hexdigest(),
        members=_member_names(index),
        licenses=_counted(rows["license"]),
        tasks=_counted(rows["task"]),
        index=INDEX_VERSION,
    )
    store.write(f"{job.folder}/{marker_file(shard.stem)}", done.model_dump_json().encode())
    return done


def fragment_file(stem: str) -> str:
    """The file name of a shard's index fragment."""
    return f"{stem}.index.parquet"


def marker_file(stem: str) -> str:
    """The file name of the marker of a finished shard."""
    return f"{stem}.json"


def read_marker(data: bytes) -> ShardDone | None:
    """The content of a marker; None if it is damaged."""
    try:
        return ShardDone.model_validate_json(data)
    except ValidationError:
        return None


class HashingWriter:
    """A writer that counts and hashes the bytes that pass through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write `data` to the end."""
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)


def _copy(store: Store, shard: Shard, rows: pa.Table) -> tuple[ShardInfo, list[list[int]]]:
    """Write the shard. Also returns width and height of each sample."""
    sizes = []
    with store.writing(shard.path) as file:
        passing = HashingWriter(file)
        for (offset, members), sample in zip(_places(rows), _samples(store, rows), strict=True):
            passing.write(sample)
            at, length = members["json"]
            sizes.append(json.loads(sample[at - offset : at - offset + length])["size"] or [0, 0])
        passing.write(ending(passing.size))
    return _info(shard, passing), sizes


def _info(shard: Shard, passing: HashingWriter) -> ShardInfo:
    return ShardInfo(
        path=shard.path,
        sha256=passing.digest.hexdigest(),
        bytes=passing.size,
        samples=shard.samples,
        split=shard.split,
    )


def _samples(store: Store, rows: pa.Table) -> Iterator[bytes]:
    """The tar blocks of each sample, in the order of the rows."""
    narrow = rows.select(["key", "part", "offset", "size", "sha256"])
    for start, stop in cut(rows["size"].to_numpy(), _CHUNK):
        chunk = narrow.slice(start, stop - start).to_pylist()
        found = store.read_ranges([(row["part"], row["offset"], row["size"]) for row in chunk])
        for row, data in zip(chunk, found, strict=True):
            if hashlib.sha256(data).hexdigest() != row["sha256"]:
                raise StoreError(
                    f"{store.address}/{row['part']}: sample '{row['key']}' at byte {row['offset']} is damaged, its "
                    "checksum is not that of the ledger; `python -m datagen verify OUT --repair` removes the part, "
                    "then the same run computes its slice anew"
                )
            yield data


def _places(rows: pa.Table) -> Iterator[tuple[int, dict[str, list[int]]]]:
    """Offset of each sample in its part, and offset and size of its members there, by name."""
    for offset, text in zip(rows["offset"].to_pylist(), rows["members"].to_pylist(), strict=True):
        yield offset, json.loads(text)


def _index_rows(shard: Shard, rows: pa.Table, sizes: list[list[int]]) -> pa.Table:
    schema = index_schema()
    lengths = np.asarray(rows["size"].to_numpy(), np.int64)
    columns = {
        "key": rows["key"],
        "split": pa.array([shard.split] * rows.num_rows),
        "shard": pa.array([shard.path] * rows.num_rows),
        "members": pa.array(list(_shifted(rows)), schema.field("members").type),
        "task": rows["task"],
        "instruction": rows["instruction"],
        "scores": pa.array([_score_rows(text) for text in rows["scores"].to_pylist()], schema.field("scores").type),
        "license": rows["license"],
        "width": pa.array([width for width, _ in sizes], pa.int64()),
        "height": pa.array([height for _, height in sizes], pa.int64()),
        "offset": pa.array(np.cumsum(lengths) - lengths),
        "size": pa.array(lengths),
    }
    return pa.table(columns).cast(schema)


def _score_rows(text: str) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in json.loads(text or "{}").items()]


def _shifted(rows: pa.Table) -> Iterator[list[dict[str, object]]]:
    """The members of each sample, with their offsets converted from the part to the shard."""
    start = 0
    for (offset, members), size in zip(_places(rows), rows["size"].to_pylist(), strict=True):
        found = sorted(members.items())
        yield [{"name": name, "offset": at - offset + start, "size": length} for name, (at, length) in found]
        start += size


def _member_names(index: pa.Table) -> list[str]:
    return sorted(pc.unique(pc.list_flatten(index["members"]).combine_chunks().field("name")).to_pylist())


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value occurs."""
    return {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}
