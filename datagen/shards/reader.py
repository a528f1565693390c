"""Random access to a finished dataset, by index or key, with ranged reads of the shards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import ConfigError, StoreError, nearest
from datagen.shards.checked_reads import CachedShards, CheckedShards
from datagen.shards.index import DATASET, INDEX, SPLITS, ShardInfo, index_schema, read_dataset
from datagen.storage.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from datagen.imaging.image import Mask, Pixels

_COLUMNS = ["key", "split", "shard", "members"]
_RANGE = ["offset", "size"]
ByteRange = tuple[int, int]
"""Offset in a shard, and size, in bytes."""


def open_dataset(address: str, *, split: str | None = None, cache: str = "") -> Dataset:
    """Open the finished dataset at `address`, a folder or any fsspec address, or one `split` of it.

    With a folder as `cache`, shards in a bucket are copied there as they are first read, whole, and read from there
    later on. Raises `StoreError` if there is no finished dataset or its index is damaged, and `ConfigError` for an
    unknown split.
    """
    if split is not None and split not in SPLITS:
        raise ConfigError(f"a dataset has no split '{split}'; {nearest(split, SPLITS)}")
    store = Store(address)
    table = read_index(store)
    rows = np.arange(table.num_rows)
    if split is not None:
        rows = rows[table["split"].to_numpy() == split]
    shards = CachedShards(store, cache) if cache and "://" in address else CheckedShards(store)
    return Dataset(store, rows, table=table, shards=shards)


class Dataset(Sequence["Sample"]):
    """Samples in the order of the shards; a slice is a Dataset too.

    Only the index is read, until a member of a sample is used. Pickling leaves out the index, so a Dataset is cheap to
    send to a worker; the worker reads the index again.
    """

    def __init__(self, store: Store, rows: NDArray[np.int64], *, table: pa.Table | None, shards: CheckedShards) -> None:
        self._store = store
        self._shards = shards  # also of slices: what was checked need not be checked again
        self._rows = rows
        self._table = table

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Dataset: ...

    def __getitem__(self, index: int | slice) -> Sample | Dataset:
        if isinstance(index, slice):
            return Dataset(self._store, self._rows[index], table=self._table, shards=self._shards)
        return self._sample(int(self._rows[index]))

    def __iter__(self) -> Iterator[Sample]:
        return (self._sample(int(row)) for row in self._rows)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_table": None}

    def __repr__(self) -> str:
        return f"Dataset({self._store.address!r}, {len(self)} samples)"

    def by_key(self, key: str) -> Sample:
        """The sample with this key. Raises `KeyError` if this dataset or split has none."""
        row = self._index["key"].index(key).as_py()
        if row < 0 or row not in self._rows:
            raise KeyError(key)
        return self._sample(row)

    @property
    def _index(self) -> pa.Table:
        if self._table is None:
            self._table = read_index(self._store)
        return self._table

    def _sample(self, row: int) -> Sample:
        found = self._index.slice(row, 1).to_pylist()[0]
        members = {member["name"]: (member["offset"], member["size"]) for member in found["members"]}
        names = {name: found[name] for name in ("key", "split", "shard")}
        whole = (found["offset"], found["size"]) if "offset" in found else _span(members)
        return Sample(self._shards, **names, members=members, whole=whole)


def _span(members: Mapping[str, ByteRange]) -> ByteRange:
    """The bytes from the first to the last of some members, for an index without the ranges of samples."""
    start = min((offset for offset, _ in members.values()), default=0)
    return start, max((offset + size for offset, size in members.values()), default=0) - start


class Sample:
    """One sample; each member is read when it is used, or all of them at once by `read_all`."""

    def __init__(
        self,
        shards: CheckedShards,
        *,
        key: str,
        split: str,
        shard: str,
        members: Mapping[str, ByteRange],
        whole: ByteRange,
    ) -> None:
        self._shards = shards
        self._places = members
        self._whole = whole
        self.key = key
        self.split = split
        self.shard = shard

    def __repr__(self) -> str:
        return f"Sample({self.key!r}, {list(self.members)})"

    @property
    def members(self) -> tuple[str, ...]:
        """Names of its members, such as `source.png`."""
        return tuple(self._places)

    def read(self, name: str) -> bytes:
        """The bytes of a member. Raises `StoreError` if it has no such member, or its shard links elsewhere."""
        if name not in self._places:
            raise StoreError(f"sample '{self.key}' has no member '{name}'; {nearest(name, self.members)}")
        offset, size = self._places[name]
        return self._shards.read_range(self.shard, start=offset, size=size)

    def read_all(self) -> dict[str, bytes]:
        """The bytes of all members by name, in one ranged read. Raises `StoreError` if its shard links elsewhere."""
        start, size = self._whole
        data = self._shards.read_range(self.shard, start=start, size=size)
        return {name: data[offset - start : offset - start + length] for name, (offset, length) in self._places.items()}

    @cached_property
    def info(self) -> dict[str, Any]:
        """The content of KEY.json. Raises `StoreError` if it is damaged."""
        try:
            found = json.loads(self.read("json"))
        except (ValueError, RecursionError) as error:
            raise self._damaged("json", error) from error
        if not isinstance(found, dict):
            raise self._damaged("json", "it holds no mapping")
        return found

    @property
    def instruction(self) -> str:
        """The edit instruction."""
        return str(self.info.get("instruction", ""))

    def image(self, name: str) -> Pixels:
        """Pixels of a member called `name`, with or without extension: HWC uint8 RGB.

        Raises `StoreError` if it is no png, jpg or webp, or is damaged.
        """
        from datagen.imaging.image import Image

        data = self.read(self._full(name))
        try:
            return Image.carried(data).array.copy()
        except Exception as error:  # Pillow raises many kinds on damaged files
            raise self._damaged(self._full(name), error) from error

    @property
    def source(self) -> Pixels:
        """The picture before the edit, HWC uint8 RGB."""
        return self.image("source")

    @property
    def target(self) -> Pixels:
        """The picture after the edit, HWC uint8 RGB."""
        return self.image("target")

    @property
    def refs(self) -> list[Pixels]:
        """Reference pictures in the order of their numbers, HWC uint8 RGB."""
        return [self.image(name) for name in self._numbered("ref")]

    @property
    def masks(self) -> list[Mask]:
        """Masks in the order of their numbers, HW bool."""
        return [self.image(name)[:, :, 0] > 127 for name in self._numbered("mask")]

    def _damaged(self, name: str, why: object) -> StoreError:
        return StoreError(f"{self._shards.address}/{self.shard}: {name} of sample '{self.key}' is damaged: {why}")

    def _full(self, name: str) -> str:
        return next((member for member in self.members if member.split(".")[0] == name), name)

    def _numbered(self, stem: str) -> list[str]:
        """Members `stem`_0, `stem`_1 and so on."""
        return numbered_members(self.members, stem)


def numbered_members(names: Iterable[str], stem: str) -> list[str]:
    """Of the names of a sample's members those of `stem`_0, `stem`_1 and so on, in the order of their numbers."""
    found = (re.fullmatch(rf"{stem}_(\d+)\.\w+", name) for name in names)
    return [match[0] for match in sorted((match for match in found if match), key=lambda match: int(match[1]))]


def read_index(store: Store, *, also: Sequence[str] = ()) -> pa.Table:
    """The index with key, split, shard and members of every sample, and the columns in `also`.

    It has the range of each sample, `offset` and `size`, unless it is of version 1. Raises `StoreError` if the index is
    missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = read_dataset(store).shards
    data = store.read(INDEX)
    try:
        file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
        ranges = _RANGE if set(_RANGE) & set(file.schema_arrow.names) else ()
        columns = [*_COLUMNS, *ranges, *also]
        table = file.read(columns=columns, use_threads=False)  # no threads: see `datagen.__main__`
        table.validate(full=True)  # else invalid UTF-8 would fail later, where the text is used
        fault = _fault(table, shards, columns)
    except (pa.ArrowException, OSError, ValueError) as error:
        fault = str(error)
    if fault:
        again = "run the pipeline into it again, which writes it anew"
        raise StoreError(f"{store.address}/{INDEX} is damaged: {fault}; {again}")
    return table


def _fault(table: pa.Table, shards: Sequence[ShardInfo], columns: Sequence[str]) -> str:
    """Why a table is not the index of these shards; '' if it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    schema = index_schema()
    if not table.schema.equals(pa.schema([schema.field(name) for name in columns])):
        return f"its columns are {', '.join(table.schema.names)}, not those of this format"
    expected = sum(shard.samples for shard in shards)
    if table.num_rows != expected:
        return f"it has {table.num_rows} samples, {DATASET} {expected}"
    if any(table[name].null_count for name in columns):
        return "it has empty cells"
    at = pc.index_in(table["shard"].combine_chunks(), value_set=pa.array([shard.path for shard in shards], pa.string()))
    if at.null_count:
        return f"it speaks of shards that {DATASET} does not list"
    lists = table["members"].combine_chunks()
    members = lists.flatten()
    parents = pc.list_parent_indices(lists)
    ends = pa.array([shard.bytes for shard in shards], pa.int64()).take(at)
    zeros = pa.array(np.zeros(len(ends), np.int64))
    if "offset" in columns:
        start, size = table["offset"].combine_chunks(), table["size"].combine_chunks()
        if not _within(start, size, zeros, ends):
            return "a sample lies outside its shard"
        zeros, ends = start, pc.add(start, size)
    if not _within(members.field("offset"), members.field("size"), zeros.take(parents), ends.take(parents)):
        return "a member lies outside its sample or shard"
    return ""


def _within(start: pa.Array, size: pa.Array, first: pa.Array, end: pa.Array) -> bool:
    """Whether each range is one, and lies from `first` to `end`."""
    import pyarrow.compute as pc

    # checked addition: a damaged offset may overflow and then look valid
    found = [pc.greater_equal(start, first), pc.greater_equal(size, 0), pc.less_equal(pc.add_checked(start, size), end)]
    return sum(int(pc.sum(part).as_py() or 0) for part in found) == 3 * len(start)
