"""The files of a ledger: one a slice and round, or one for about a thousand slices; their names and their rows."""

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
"""How the names of compacted files begin."""
ROWS_A_GROUP = 4096
ANEW = "run again, which computes that slice anew"
_ALL_ANEW = "run again, which computes its slices anew"

_FORMER = pa.schema([column for column in SCHEMA if column.name not in ADDED])
"""What version 0.1.0 wrote."""
_SINGLE = re.compile(r"(\d{6,}-\w+)(?:\.r(\d+))?\.parquet")
_COMPACTED = re.compile(rf"{COMPACTED}(\d+)-(\d+)-([0-9a-f]{{16}})\.parquet")
_SIDE_BY_SIDE = 64
"""Files that are read at once."""


class SliceLocation(NamedTuple):
    """Where the rows of a slice lie that count."""

    round: int
    file: str
    """Name in the ledger's folder."""
    is_compacted: bool


class Listing(NamedTuple):
    """What lies in a ledger's folder."""

    singles: Mapping[str, Mapping[int, str]]
    """Files of one slice, by slice and round."""
    places: Mapping[str, SliceLocation]
    """By slice: its highest round, and of two files with that one the compacted one."""


def listed(names: Iterable[str], *, compacted: Mapping[str, Mapping[str, int]]) -> Listing:
    """The listing of a folder's files; `compacted` has the rounds by slice of every compacted file that is sound."""
    singles: dict[str, dict[int, str]] = {}
    for name in names:
        if found := _SINGLE.fullmatch(name):
            singles.setdefault(found[1], {})[int(found[2] or 0)] = name
    places: dict[str, SliceLocation] = {}
    for slice, files in singles.items():
        places[slice] = SliceLocation(max(files), files[max(files)], False)
    for name in sorted(compacted, reverse=True):
        for slice, round in compacted[name].items():
            if slice not in places or round >= places[slice].round:
                places[slice] = SliceLocation(round, name, True)
    return Listing(singles, places)


def single_name(slice: str, round: int) -> str:
    """The file of a slice's round."""
    return f"{slice}.r{round}.parquet" if round else f"{slice}.parquet"


def is_compacted(name: str) -> bool:
    """Whether a file is a compacted one."""
    return _COMPACTED.fullmatch(name) is not None


def may_hold(name: str, slice: str) -> bool:
    """Whether a compacted file, by its name, may have rows of a slice."""
    found = _COMPACTED.fullmatch(name)
    return found is not None and int(found[1]) <= number_of(slice) <= int(found[2])


def compacted_name(slices: Sequence[str], data: bytes) -> str:
    """The name of a compacted file: the first and last number of its slices, and a digest of its bytes."""
    return f"{COMPACTED}{number_of(slices[0]):06d}-{number_of(slices[-1]):06d}-{_digest(data)}.parquet"


def in_order(slices: Iterable[str]) -> list[str]:
    """Names of slices in the order of their numbers."""
    return sorted(set(slices), key=lambda name: (number_of(name), name))


_ROWS_CHECKED = 50_000
"""Of a compacted file that are looked at together, about."""


def is_slice(name: str) -> bool:
    """Whether a name is one that a slice may have."""
    return re.fullmatch(r"[0-9]{6,18}-\w+", name) is not None


def number_of(slice: str) -> int:
    """The number that a slice's name begins with."""
    return int(slice.split("-", 1)[0])


def as_parquet(table: pa.Table) -> bytes:
    """Rows as a file."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


def read_single(data: bytes | StoreError, *, slice: str, place: str) -> pa.Table:
    """The rows of a single file, from its bytes. Raises `StoreError` if it is damaged."""
    if isinstance(data, StoreError):
        raise StoreError(f"{data}; {ANEW}") from data
    table = read_table(data, place=place, remedy=ANEW)
    if table.num_rows and (others := [name for name in pc.unique(table["slice"]).to_pylist() if name != slice]):
        raise StoreError(f"{place} is damaged: it has rows of slice '{others[0]}'; {ANEW}")
    return table


def read_table(data: bytes, *, place: str, remedy: str) -> pa.Table:
    """The rows in a file's bytes. Raises `StoreError` if it is damaged."""
    with _damage_told(place, remedy):
        return _filled(_grown(_checked(io.BytesIO(data), place, remedy).read(), SCHEMA.names))


def read_compacted(store: Store, path: str, *, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of a compacted file, `slice` among them, whole slices at a time.

    All its bytes are checked first. Raises `StoreError` if it is damaged.
    """
    data, place = store.read(path), f"{store.address}/{path}"
    found = _COMPACTED.fullmatch(path.rsplit("/", 1)[-1])
    if found is None or found[3] != _digest(data):
        raise StoreError(f"{place} is damaged: its bytes are not those of its name; {_ALL_ANEW}")
    with _damage_told(place, _ALL_ANEW):
        rest = SCHEMA.empty_table().select(list(columns))
        file = _checked(io.BytesIO(data), place, _ALL_ANEW)
        for batch in file.iter_batches(batch_size=_ROWS_CHECKED, columns=_kept(file, columns)):
            rows = pa.concat_tables([rest, _filled(_grown(pa.Table.from_batches([batch]), columns))])
            whole = pc.index(rows["slice"], rows["slice"][-1]).as_py()
            if whole:
                yield rows.slice(0, whole)
            rest = rows.slice(whole)
        yield rest


def rounds_in(store: Store, path: str) -> Mapping[str, int]:
    """The round of each slice in a compacted file, from its footer alone. Raises `StoreError` if it is damaged."""
    place = f"{store.address}/{path}"
    with store.reading(path) as file, _damage_told(place, _ALL_ANEW):
        rounds = json.loads((_checked(file, place, _ALL_ANEW).metadata.metadata or {})[b"slices"])
        if not isinstance(rounds, dict) or not all(map(_is_entry, rounds.items())):
            raise ValueError("its footer lists no slices and rounds")
        return rounds


def _is_entry(item: tuple[str, Any]) -> bool:
    slice, round = item
    return is_slice(slice) and isinstance(round, int) and round >= 0


def slices_of(store: Store, path: str, *, slices: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
    """The rows of some slices of a compacted file, one table a slice, in the file's order, which is by number."""
    place = f"{store.address}/{path}"
    with store.reading(path) as opened, _damage_told(place, _ALL_ANEW):
        file = _checked(opened, place, _ALL_ANEW)
        groups = [number for number in range(file.num_row_groups) if _may_have(file, number, slices)]
        wanted = pa.array(slices, pa.string())
        held: list[pa.Table] = []
        for batch in file.iter_batches(batch_size=ROWS_A_GROUP, row_groups=groups, columns=_kept(file, columns)):
            rows = _filled(_grown(pa.Table.from_batches([batch]), columns))
            for run in _runs(rows.filter(pc.is_in(rows["slice"], value_set=wanted))):
                if held and held[0]["slice"][0] != run["slice"][0]:
                    yield pa.concat_tables(held)
                    held = []
                held.append(run)
        if held:
            yield pa.concat_tables(held)


def singles_of(
    store: Store, folder: str, *, places: Mapping[str, SliceLocation]
) -> Iterator[tuple[str, pa.Table | StoreError]]:
    """The rows of single files, by slice, some files at a time; the error in the place of one that is damaged."""
    names = list(places)
    for start in range(0, len(names), _SIDE_BY_SIDE):
        chosen = names[start : start + _SIDE_BY_SIDE]
        paths = [f"{folder}/{places[name].file}" for name in chosen]
        for slice, path, data in zip(chosen, paths, store.read_many(paths), strict=True):
            try:
                yield slice, read_single(data, slice=slice, place=f"{store.address}/{path}")
            except StoreError as error:
                yield slice, error


def _runs(rows: pa.Table) -> Iterator[pa.Table]:
    """Rows of one slice each, as they follow one another."""
    encoded = pc.run_end_encode(rows["slice"].combine_chunks())
    start = 0
    for end in encoded.run_ends.to_pylist():
        yield rows.slice(start, end - start)
        start = end


def _may_have(file: pq.ParquetFile, group: int, slices: Sequence[str]) -> bool:
    found = file.metadata.row_group(group).column(0).statistics
    return found is None or not found.has_min_max or (found.min <= max(slices) and min(slices) <= found.max)


def _checked(file: Any, place: str, remedy: str) -> pq.ParquetFile:
    opened = pq.ParquetFile(file, page_checksum_verification=True)
    if not (opened.schema_arrow.equals(SCHEMA) or opened.schema_arrow.equals(_FORMER)):
        found = ", ".join(opened.schema_arrow.names)
        raise StoreError(f"{place} is damaged: its columns are {found}; {remedy}")
    return opened


def _kept(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    return [name for name in columns if name in file.schema_arrow.names]


def _grown(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The rows with these columns, in order; those that an earlier version did not write say what they would have."""
    for name in set(columns) - set(rows.column_names):
        rows = rows.append_column(
            SCHEMA.field(name), pa.repeat(pa.scalar(ADDED[name], SCHEMA.field(name).type), len(rows))
        )
    return rows.select(list(columns))


def _filled(rows: pa.Table) -> pa.Table:
    """The rows, if no cell is empty and all text is text. Raises `ValueError`."""
    rows.validate(full=True)
    if empty := [name for name in rows.column_names if rows[name].null_count]:
        raise ValueError(f"cells of {', '.join(empty)} are empty")
    return rows


@contextmanager
def _damage_told(place: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except (*UNREADABLE, RecursionError) as error:
        raise StoreError(f"{place} is damaged: {error}; {remedy}") from error


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
