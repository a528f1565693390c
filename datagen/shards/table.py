"""Reads index.parquet one shard at a time, and tracks source pictures by split; for verification."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from datagen.core.errors import StoreError
from datagen.shards.columns import Digests, digests, found_in
from datagen.shards.index import INDEX, INDEX_VERSION, ShardInfo, Split, index_schema
from datagen.storage.store import Store

UNREADABLE = (pa.ArrowException, OSError, ValueError, LookupError)
"""Exceptions that pyarrow raises on a damaged Parquet file: its own, and some of Python's."""


class DamagedIndexError(StoreError):
    """index.parquet cannot be read."""


@contextmanager
def _damage_as_index_error() -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise DamagedIndexError(f"is damaged: {error}") from error


class IndexFile:
    """index.parquet, read one row group at a time; packing writes one row group for each shard.

    All methods raise `DamagedIndexError` if it cannot be read.
    """

    def __init__(self, file: IO[bytes]) -> None:
        with _damage_as_index_error():
            self._file = pq.ParquetFile(file)
        self._schema = self._file.schema_arrow
        if not any(self._schema.equals(index_schema(version)) for version in (1, INDEX_VERSION)):
            raise DamagedIndexError(f"its columns are {', '.join(self._schema.names)}, not those of this format")
        self._groups: dict[str, list[int]] = defaultdict(list)
        for number, table in enumerate(self.tables(["shard"])):
            for path in pc.unique(table["shard"]).to_pylist():
                self._groups[path].append(number)

    @property
    def num_rows(self) -> int:
        """The number of samples."""
        return int(self._file.metadata.num_rows)

    def tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """All rows with these columns, one table for each row group."""
        return (self._group(number, list(columns)) for number in range(self._file.num_row_groups))

    def of_shard(self, path: str) -> pa.Table:
        """The rows of one shard."""
        found = [self._group(number, None) for number in self._groups.get(path, ())]
        return pa.concat_tables([self._schema.empty_table(), *(_of(table, path) for table in found)])

    def _group(self, number: int, columns: list[str] | None) -> pa.Table:
        with _damage_as_index_error():
            table = self._file.read_row_group(number, columns=columns)
            table.validate(full=True)  # pyarrow reads invalid UTF-8 and fails where the text is used
            return table


def _of(table: pa.Table, path: str) -> pa.Table:
    return table.filter(pc.equal(table["shard"], path))


@contextmanager
def opened_index(store: Store) -> Iterator[IndexFile]:
    """The index of the dataset in `store`. Raises `DamagedIndexError` if it is missing."""
    if not store.exists(INDEX):
        raise DamagedIndexError("is missing")
    with store.reading(INDEX) as file:
        yield IndexFile(file)


class Sources:
    """Which source pictures occur in which split; 16 bytes and the number of a shard for each source."""

    def __init__(self) -> None:
        self._shards: list[ShardInfo] = []
        self._seen: dict[Split, list[tuple[int, Digests]]] = {"train": [], "val": []}
        self._open: set[bytes] = set()
        self._joined: dict[Split, tuple[Digests, NDArray[np.int64]]] = {}

    def elsewhere(self, source: str, shard: ShardInfo) -> str:
        """Add `source` (its sha256) to the current shard; returns a shard of the other split that has it too, or ''."""
        digest = digests([source])
        self._open.add(digest.tobytes())
        known, shards = self._of_split("val" if shard.split == "train" else "train")
        place, there = found_in(known, digest)
        return self._shards[shards[place[0]]].path if there[0] else ""

    def close(self, shard: ShardInfo) -> None:
        """End the current shard."""
        self._shards.append(shard)
        found = np.frombuffer(b"".join(sorted(self._open)), "S16")
        self._seen[shard.split].append((len(self._shards) - 1, found))
        self._joined.pop(shard.split, None)
        self._open.clear()

    def _of_split(self, split: Split) -> tuple[Digests, NDArray[np.int64]]:
        """All sources of a split, sorted, and the number of the first shard with each."""
        if split not in self._joined:
            parts = self._seen[split]
            every = np.concatenate([digests([]), *(found for _, found in parts)])
            numbers = np.repeat([number for number, _ in parts], [len(found) for _, found in parts])
            known, first = np.unique(every, return_index=True)
            self._joined[split] = (known, numbers[first].astype(np.int64))
        return self._joined[split]
