"""The files of a ledger, their names, and reading their rows.

There are two kinds. A single file has the rows of one slice in one round. A compacted file has the rows of about a
thousand slices; the rounds are in its footer. If a slice is recomputed, it gets a file with the next higher round.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.core.errors import StoreError
from datagen.execute.ledger.rows import ADDED, SCHEMA
from datagen.shards.table import UNREADABLE
from datagen.storage.store import Store

COMPACTED = "compact-"
"""Prefix of the names of compacted files."""
ROWS_PER_GROUP = 4096
RECOMPUTE = "run again, which computes that slice anew"
_RECOMPUTE_ALL = "run again, which computes its slices anew"

_SCHEMA_0_1 = pa.schema([column for column in SCHEMA if column.name not in ADDED])
"""The columns that version 0.1.0 wrote."""
_SINGLE = re.compile(r"(\d{6,}-\w+)(?:\.r(\d+))?\.parquet")
_COMPACTED = re.compile(rf"{COMPACTED}(\d+)-(\d+)-([0-9a-f]{{16}})\.parquet")
_FILES_AT_ONCE = 64
"""Files that are read concurrently."""


class SliceLocation(NamedTuple):
    """The file and the round that count for a slice."""

    round: int
    file: str
    """Name in the ledger's folder."""
    is_compacted: bool


class Listing(NamedTuple):
    """The files in a ledger's folder."""

    singles: Mapping[str, Mapping[int, str]]
    """Names of single files, by slice and round."""
    locations: Mapping[str, SliceLocation]
    """By slice: the file with its highest round; if two files have it, the compacted one."""


def listed(names: Iterable[str], *, compacted: Mapping[str, Mapping[str, int]]) -> Listing:
    """Sort the file names of a ledger's folder by slice.

    `compacted` has, for each readable compacted file, the rounds of its slices.
    """
    singles: dict[str, dict[int, str]] = {}
    for name in names:
        if found := _SINGLE.fullmatch(name):
            singles.setdefault(found[1], {})[int(found[2] or 0)] = name
    locations: dict[str, SliceLocation] = {}
    for slice, files in singles.items():
        locations[slice] = SliceLocation(max(files), files[max(files)], False)
    for name in sorted(compacted, reverse=True):
        for slice, round in compacted[name].items():
            if slice not in locations or round >= locations[slice].round:
                locations[slice] = SliceLocation(round, name, True)
    return Listing(singles, locations)


def single_name(slice: str, round: int) -> str:
    """The name of the file with one round of a slice."""
    return f"{slice}.r{round}.parquet" if round else f"{slice}.parquet"


def is_compacted(name: str) -> bool:
    """Whether a name is that of a compacted file."""
    return _COMPACTED.fullmatch(name) is not None


def may_hold(name: str, slice: str) -> bool:
    """Whether the name of a compacted file has a range of numbers that contains the slice."""
    found = _COMPACTED.fullmatch(name)
    return found is not None and int(found[1]) <= number_of(slice) <= int(found[2])


def compacted_name(slices: Sequence[str], data: bytes) -> str:
    """The name of a compacted file: the first and the last number of its slices, and a digest of `data`, its bytes."""
    return f"{COMPACTED}{number_of(slices[0]):06d}-{number_of(slices[-1]):06d}-{_digest(data)}.parquet"


def in_order(slices: Iterable[str]) -> list[str]:
    """Distinct names of slices, sorted by number."""
    return sorted(set(slices), key=lambda name: (number_of(name), name))


_ROWS_CHECKED = 50_000
"""Approximate number of rows of a compacted file that are checked together."""


def is_slice(name: str) -> bool:
    """Whether a name has the form of a slice's name."""
    return re.fullmatch(r"[0-9]{6,18}-\w+", name) is not None


def number_of(slice: str) -> int:
    """The number that a slice's name begins with."""
    return int(slice.split("-", 1)[0])


def as_parquet(table: pa.Table) -> bytes:
    """Encode rows as a Parquet file with page checksums."""
    buffer = io.BytesIO()
    # A single file has no digest in its name; checksums of its pages detect damage instead.
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def read_single(data: bytes | StoreError, *, slice: str, place: str) -> pa.Table:
    """Decode the bytes of a single file. Raises `StoreError` if it is damaged or has rows of another slice."""
    if isinstance(data, StoreError):
        raise StoreError(f"{data}; {RECOMPUTE}") from data
    table = read_table(data, place=place, remedy=RECOMPUTE)
    if table.num_rows and (others := [name for name in pc.unique(table["slice"]).to_pylist() if name != slice]):
        raise StoreError(f"{place} is damaged: it has rows of slice '{others[0]}'; {RECOMPUTE}")
    return table


def read_table(data: bytes, *, place: str, remedy: str) -> pa.Table:
    """Decode the bytes of a ledger file. Raises `StoreError` if it is damaged."""
    with _damage_as_store_error(place, remedy):
        return _validated(_with_added_columns(_open_parquet(io.BytesIO(data), place, remedy).read(), SCHEMA.names))


def read_compacted(store: Store, path: str, *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield `columns` of a compacted file, a batch of whole slices at a time; `columns` includes `slice`.

    The digest of all its bytes is checked first. Raises `StoreError` if it is damaged.
    """
    data, place = store.read(path), f"{store.address}/{path}"
    found = _COMPACTED.fullmatch(path.rsplit("/", 1)[-1])
    if found is None or found[3] != _digest(data):
        raise StoreError(f"{place} is damaged: its bytes are not those of its name; {_RECOMPUTE_ALL}")
    with _damage_as_store_error(place, _RECOMPUTE_ALL):
        rest = SCHEMA.empty_table().select(list(columns))
        file = _open_parquet(io.BytesIO(data), place, _RECOMPUTE_ALL)
        for batch in file.iter_batches(batch_size=_ROWS_CHECKED, columns=_existing(file, columns)):
            rows = pa.concat_tables([rest, _validated(_with_added_columns(pa.Table.from_batches([batch]), columns))])
            # The last slice of a batch may go on in the next one.
            whole = pc.index(rows["slice"], rows["slice"][-1]).as_py()
            if whole:
                yield rows.slice(0, whole)
            rest = rows.slice(whole)
        yield rest


def rounds_in(store: Store, path: str) -> Mapping[str, int]:
    """The round of each slice in a compacted file, read from its footer. Raises `StoreError` if that is damaged."""
    place = f"{store.address}/{path}"
    with store.reading(path) as file, _damage_as_store_error(place, _RECOMPUTE_ALL):
        rounds = json.loads((_open_parquet(file, place, _RECOMPUTE_ALL).metadata.metadata or {})[b"slices"])
        if not isinstance(rounds, dict) or not all(map(_is_entry, rounds.items())):
            raise ValueError("its footer lists no slices and rounds")
        return rounds


def _is_entry(item: tuple[str, Any]) -> bool:
    slice, round = item
    return is_slice(slice) and isinstance(round, int) and round >= 0


def slices_of(store: Store, path: str, *, slices: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yield one table for each of `slices` that a compacted file has, in the file's order, which is by number."""
    place = f"{store.address}/{path}"
    with store.reading(path) as stream, _damage_as_store_error(place, _RECOMPUTE_ALL):
        file = _open_parquet(stream, place, _RECOMPUTE_ALL)
        groups = [number for number in range(file.num_row_groups) if _may_contain(file, number, slices)]
        wanted = pa.array(slices, pa.string())
        pending: list[pa.Table] = []
        for batch in file.iter_batches(batch_size=ROWS_PER_GROUP, row_groups=groups, columns=_existing(file, columns)):
            rows = _validated(_with_added_columns(pa.Table.from_batches([batch]), columns))
            for run in _split_by_slice(rows.filter(pc.is_in(rows["slice"], value_set=wanted))):
                if pending and pending[0]["slice"][0] != run["slice"][0]:
                    yield pa.concat_tables(pending)
                    pending = []
                pending.append(run)
        if pending:
            yield pa.concat_tables(pending)


def singles_of(
    store: Store, folder: str, *, locations: Mapping[str, SliceLocation]
) -> Iterator[tuple[str, pa.Table | StoreError]]:
    """Yield the rows of single files with the name of their slice. A damaged file yields its error instead."""
    names = list(locations)
    for start in range(0, len(names), _FILES_AT_ONCE):
        chosen = names[start : start + _FILES_AT_ONCE]
        paths = [f"{folder}/{locations[name].file}" for name in chosen]
        for slice, path, data in zip(chosen, paths, store.read_many(paths), strict=True):
            try:
                yield slice, read_single(data, slice=slice, place=f"{store.address}/{path}")
            except StoreError as error:
                yield slice, error


def _split_by_slice(rows: pa.Table) -> Iterator[pa.Table]:
    """Split rows into tables of one slice each; the rows of a slice are consecutive."""
    encoded = pc.run_end_encode(rows["slice"].combine_chunks())
    start = 0
    for end in encoded.run_ends.to_pylist():
        yield rows.slice(start, end - start)
        start = end


def _may_contain(file: pq.ParquetFile, group: int, slices: Sequence[str]) -> bool:
    found = file.metadata.row_group(group).column(0).statistics  # column 0 is `slice`
    return found is None or not found.has_min_max or (found.min <= max(slices) and min(slices) <= found.max)


def _open_parquet(file: Any, place: str, remedy: str) -> pq.ParquetFile:
    parquet = pq.ParquetFile(file, page_checksum_verification=True)
    if not (parquet.schema_arrow.equals(SCHEMA) or parquet.schema_arrow.equals(_SCHEMA_0_1)):
        found = ", ".join(parquet.schema_arrow.names)
        raise StoreError(f"{place} is damaged: its columns are {found}; {remedy}")
    return parquet


def _existing(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name in file.schema_arrow.names]


def _with_added_columns(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The rows with these columns, in this order. Columns that an earlier version did not write get their default."""
    for name in set(columns) - set(rows.column_names):
        rows = rows.append_column(
            SCHEMA.field(name), pa.repeat(pa.scalar(ADDED[name], SCHEMA.field(name).type), len(rows))
        )
    return rows.select(list(columns))


def _validated(rows: pa.Table) -> pa.Table:
    """The rows, if no cell is null and all text is valid UTF-8. Raises `ValueError`."""
    rows.validate(full=True)  # pyarrow reads damaged text without an error, and fails only where it is used
    if empty := [name for name in rows.column_names if rows[name].null_count]:
        raise ValueError(f"cells of {', '.join(empty)} are empty")
    return rows


@contextmanager
def _damage_as_store_error(place: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except (*UNREADABLE, RecursionError) as error:
        raise StoreError(f"{place} is damaged: {error}; {remedy}") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
