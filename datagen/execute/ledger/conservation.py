"""Conservation: checks that every record of a ledger has exactly one end, with vectorised column operations.

A record that began as a row of the source, or that a stage made, must end once. The checks find lost records, records
that ended twice, and children whose parent is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain, islice
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datagen.shards.writer import ending

Codes = NDArray[np.int64]

END_COLUMNS = ["slice", "id", "parent", "status", "children"]
"""Columns that say how records ended."""
PART_COLUMNS = ["part", "offset", "size"]
"""Columns that say where the sample of an accepted record lies."""
_INNER = pa.array(["expanded", "combined"])
_MOST = 3
"""Faults of one kind that are reported."""


class Tally(NamedTuple):
    """How many records of a slice ended, and how many its stages made."""

    ended: int
    made: int

    @property
    def given(self) -> int:
        """Rows of the source that the slice accounts for."""
        return self.ended - self.made


class SliceCheck(NamedTuple):
    """The result of checking several slices, by slice."""

    tallies: dict[str, Tally]
    faults: dict[str, list[str]]
    """Only of slices whose rows contradict each other."""


class Conservation:
    """Checks slices as they are streamed; keeps eight bytes of memory for each record."""

    def __init__(self, cut: Mapping[str, int]) -> None:
        self._cut = cut
        self._lost: list[str] = []
        self._odd: list[str] = []
        self._hashes: list[Codes] = []

    def add(self, rows: pa.Table) -> None:
        """Add the rows of whole slices; they have at least the columns of `END_COLUMNS`."""
        check = check_slices(rows.select(END_COLUMNS))
        for name, tally in check.tallies.items():
            if fault := cut_fault(name, tally, cut=self._cut[name]):
                self._lost.append(fault)
        self._odd += chain.from_iterable(check.faults.values())
        self._hashes.append(_hashes(rows["id"]))

    def faults(self, again: Callable[[], Iterable[pa.Table]]) -> list[str]:
        """Contradictions to "every record ended exactly once", the first few of each kind.

        `again` reads the rows once more, with at least the column `id`. It is called only if two hashes are equal,
        to find the ids behind them.
        """
        # Sorted hashes find duplicates across all slices in eight bytes a record; a set of ids would take far more.
        hashes = np.sort(np.concatenate([np.empty(0, np.int64), *self._hashes]))
        alike = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
        twice = _ended_twice(again(), alike) if len(alike) else []
        return [*self._lost[:_MOST], *dict.fromkeys([*twice, *self._odd])]


def _ended_twice(tables: Iterable[pa.Table], alike: Codes) -> list[str]:
    found = [table["id"].filter(pa.array(np.isin(_hashes(table["id"]), alike))) for table in tables]
    times = pc.value_counts(pa.chunked_array([chunk for column in found for chunk in column.chunks], pa.string()))
    twice = times.filter(pc.greater(times.field("counts"), 1)).field("values").slice(0, _MOST)
    return [_twice(id) for id in twice.to_pylist()]


def _hashes(ids: pa.ChunkedArray) -> Codes:
    """Python's hash of each id. It is salted, so that it is valid in this process only."""
    return np.fromiter(map(hash, ids.to_pylist()), np.int64, len(ids))


def cut_fault(name: str, tally: Tally, *, cut: int) -> str:
    """The fault if some row of the source, or some record made of it, has no end in this slice; '' if all have one.

    `cut` is how many rows of the source the slice was given.
    """
    if tally.given == cut:
        return ""
    began = cut + tally.made
    return (
        f"slice {name}: {began} records began ({cut} of the source, {tally.made} made by stages), {tally.ended} ended"
    )


def check_slices(rows: pa.Table) -> SliceCheck:
    """Tallies of the slices in `rows` (columns as in `END_COLUMNS`), and the faults within each slice.

    Vectorised checks over all slices find the doubtful ones. Only these are checked one by one.
    """
    rows = rows.set_column(1, "id", pc.fill_null(rows["id"], "")).combine_chunks()
    slices = _flat(rows["slice"]).dictionary_encode()
    names: list[str] = slices.dictionary.to_pylist()
    of: Codes = slices.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    children = _flat(pc.fill_null(rows["children"], 0)).to_numpy(zero_copy_only=False)
    ended = np.bincount(of, minlength=len(names))
    made = np.bincount(of, weights=children, minlength=len(names)).astype(np.int64)
    tallies = {name: Tally(int(e), int(m)) for name, e, m in zip(names, ended, made, strict=True)}
    faults = {
        names[code]: found
        for code in _doubtful(rows, of, children)
        if (found := _faults_within(rows.filter(pa.array(of == code))))
    }
    return SliceCheck(tallies, faults)


def _doubtful(rows: pa.Table, of: Codes, children: Codes) -> Codes:
    """Codes of the slices in which a record may have ended twice, or a parent or a child may be missing."""
    ids = _flat(rows["id"]).dictionary_encode()
    many = max(len(ids.dictionary), 1)
    # One integer for each pair of slice and id: an id has to be unique within its slice only.
    key = of * many + ids.indices.to_numpy(zero_copy_only=False)
    inner = _truth(pc.is_in(rows["status"], _INNER))
    expanded = _truth(pc.equal(rows["status"], "expanded"))
    has_parent = _truth(pc.not_equal(rows["parent"], ""))
    parents = _codes_in(_flat(rows["parent"]), ids.dictionary)
    parent_key = of * many + parents
    ends, times = np.unique(key, return_counts=True)
    begun_of, begun = _children_begun(rows, of, children, expanded, ids.dictionary)
    found = [
        ends[times > 1] // many,
        of[has_parent & ((parents < 0) | ~np.isin(parent_key, key[inner]))],
        of[expanded & ~np.isin(key, parent_key[has_parent & (parents >= 0)])],
        begun_of[(begun < 0) | ~np.isin(begun_of * many + begun, ends)],
    ]
    return np.unique(np.concatenate(found).astype(np.int64))


def _children_begun(
    rows: pa.Table, of: Codes, children: Codes, expanded: NDArray[np.bool_], ids: pa.Array
) -> tuple[Codes, Codes]:
    """For every child of an expanded record: the code of its slice, and the index of its id in `ids`, or -1."""
    counts = np.where(expanded, children, 0).astype(np.int64).clip(0)
    if counts.sum() > len(of):  # some child is missing; a damaged count may be 2 * 10**9, too many to repeat
        return of[expanded], np.full(int(expanded.sum()), -1)
    parent = np.repeat(np.arange(len(of)), counts)
    number = np.arange(len(parent)) - np.repeat(np.cumsum(counts) - counts, counts)
    names = pc.binary_join_element_wise(
        _flat(rows["id"]).take(pa.array(parent)), pa.array(number).cast(pa.string()), "#"
    )
    return of[parent], _codes_in(names, ids)


def _faults_within(rows: pa.Table) -> list[str]:
    """Faults in the rows of one slice, the first few of each kind."""
    times = pc.value_counts(rows["id"])
    twice = times.filter(pc.greater(times.field("counts"), 1)).field("values").slice(0, _MOST).to_pylist()
    parents = pc.unique(rows["parent"].filter(pc.not_equal(rows["parent"], "")))
    inner = rows["id"].filter(pc.is_in(rows["status"], _INNER))
    expanded = rows["id"].filter(pc.equal(rows["status"], "expanded"))
    orphaned = _without(parents, rows["id"])
    ended = _without(parents.filter(pc.invert(pc.is_in(parents, orphaned))), inner)
    return [
        *map(_twice, twice),
        *(f"record '{id}' has children but no end" for id in orphaned.slice(0, _MOST).to_pylist()),
        *(f"record '{id}' ended and yet has children" for id in ended.slice(0, _MOST).to_pylist()),
        *(f"record '{id}' was expanded into nothing" for id in _without(expanded, parents)[:_MOST].to_pylist()),
        *(f"record '{id}' began, but has no end" for id in islice(_lost_children(rows), _MOST)),
    ]


def _lost_children(rows: pa.Table) -> Iterable[str]:
    known = set(rows["id"].to_pylist())
    for row in rows.filter(pc.equal(rows["status"], "expanded")).select(["id", "children"]).to_pylist():
        ids = (f"{row['id']}#{number}" for number in range(row["children"] or 0))
        yield from (id for id in ids if id not in known)


def part_faults(rows: pa.Table, *, parts: Mapping[str, int], exact: Mapping[str, bool], below: str) -> dict[str, str]:
    """The slices with a part that is missing or has the wrong size, and the fault of each.

    `parts` are the sizes in bytes of the existing parts, by path. The expected size of a part follows from its last
    sample. After several rounds of a slice, its newest rows may no longer use that sample. So the slice is not `exact`,
    and its parts may be larger.
    """
    placed = rows.filter(pc.not_equal(rows["part"], ""))
    placed = placed.append_column("end", pc.add(placed["offset"], placed["size"]))
    faults: dict[str, str] = {}
    ends = placed.group_by(["slice", "part"], use_threads=False).aggregate([("end", "max")])
    for name, part, end in zip(*(ends[column].to_pylist() for column in ("slice", "part", "end_max")), strict=True):
        needed, has = end + len(ending(end)), parts.get(part)
        if has is None:
            faults.setdefault(name, f"{below}/{part} is missing")
        elif has < needed or (exact[name] and has != needed):
            faults.setdefault(name, f"{below}/{part} has {has} bytes, not {needed}")
    return faults


def _twice(id: str) -> str:
    return f"record '{id}' ended twice"


def _truth(mask: pa.ChunkedArray) -> NDArray[np.bool_]:
    return np.asarray(_flat(pc.fill_null(mask, False)).to_numpy(zero_copy_only=False), dtype=np.bool_)


def _codes_in(values: pa.Array, known: pa.Array) -> Codes:
    """The index of each value in `known`, or -1."""
    found = pc.fill_null(pc.index_in(values, value_set=known), -1)
    return np.asarray(_flat(found).to_numpy(zero_copy_only=False), dtype=np.int64)


def _flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _without(values: pa.Array | pa.ChunkedArray, known: pa.Array | pa.ChunkedArray) -> pa.Array:
    flat = _flat(values)
    return flat.filter(pc.invert(pc.is_in(flat, value_set=_flat(known))))
