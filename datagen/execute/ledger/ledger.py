"""The ledger: how every record ended, in Parquet files of one row a record.

Each slice is committed by creating one file, as the last step of the slice. Later, such files are merged into larger
ones (`compaction`). If a slice is recomputed, its new rows are a new file with the next round; nothing is overwritten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.core.errors import StoreError
from datagen.execute.ledger.conservation import (
    END_COLUMNS,
    PART_COLUMNS,
    Tally,
    check_slices,
    cut_fault,
    part_faults,
)
from datagen.execute.ledger.entries import (
    COMPACTED,
    RECOMPUTE,
    Listing,
    SliceLocation,
    as_parquet,
    in_order,
    is_compacted,
    is_slice,
    listed,
    may_hold,
    read_compacted,
    rounds_in,
    single_name,
    singles_of,
    slices_of,
)
from datagen.execute.ledger.rows import SCHEMA, Costs, Counts, Row, Status, count, joined, to_table
from datagen.storage.store import Store

__all__ = [
    "DROPPED",
    "SCHEMA",
    "SLICES",
    "Costs",
    "Counts",
    "Entry",
    "Ledger",
    "Row",
    "Status",
    "count",
    "joined",
    "to_table",
]

SLICES = "slices.txt"
DROPPED = "pack.parquet"
"""Beside the slices: the records that packing rejected."""
DAMAGED = "damaged"
"""Folder of damaged compacted files."""
ROWS_AT_ONCE = 50_000


class Entry(NamedTuple):
    """The state of a committed slice."""

    round: int
    """The highest round that has a file."""
    tally: Tally
    fault: str
    """Why the slice has to be recomputed, or ''."""

    def fault_of(self, slice: str, *, cut: int) -> str:
        """The same, if the slice was given `cut` rows of the source: it also names lost records."""
        lost = "" if self.tally == _NOTHING else cut_fault(slice, self.tally, cut=cut)
        return "; ".join(fault for fault in (lost, self.fault) if fault)


_NOTHING = Tally(0, 0)


class Ledger:
    """The committed slices of one run, below `run/ledger/<fingerprint>/`."""

    def __init__(self, store: Store, fingerprint: str) -> None:
        self.store = store
        self.fingerprint = fingerprint
        self.folder = f"run/ledger/{fingerprint}"
        self._rounds: dict[str, Mapping[str, int]] = {}

    def listing(self) -> Listing:
        """List the files, and the file of each slice. Raises `StoreError` if a compacted file is damaged."""
        names = self.store.names(self.folder)
        return listed(names, compacted={name: self._rounds_in(name) for name in names if is_compacted(name)})

    def _rounds_in(self, name: str) -> Mapping[str, int]:
        if name not in self._rounds:  # a compacted file never changes, as its name has its digest
            self._rounds[name] = rounds_in(self.store, f"{self.folder}/{name}")
        return self._rounds[name]

    def committed(
        self, parts: Mapping[str, int], *, damaged: Callable[[str, StoreError], None] | None = None
    ) -> dict[str, Entry]:
        """Read and check all committed slices; `parts` are the sizes of the parts in bytes, by path.

        `damaged` is called with the name and the error of each compacted file that cannot be read, and the file is
        ignored. Without `damaged`, the error is raised (`StoreError`).
        """
        names = self.store.names(self.folder)
        compacted, found = {}, {}
        for name in filter(is_compacted, names):
            try:
                found[name] = self._compacted_entries(name, parts)
                compacted[name] = self._rounds_in(name)
            except StoreError as error:
                if damaged is None:
                    raise
                damaged(name, error)
        locations = listed(names, compacted=compacted).locations
        entries = {slice: found[at.file][slice] for slice, at in locations.items() if at.is_compacted}
        return entries | self._single_entries(
            {name: at for name, at in locations.items() if not at.is_compacted}, parts
        )

    def _compacted_entries(self, name: str, parts: Mapping[str, int]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        rounds: Mapping[str, int] = {}
        for table in read_compacted(self.store, f"{self.folder}/{name}", columns=[*END_COLUMNS, *PART_COLUMNS]):
            rounds = self._rounds_in(name)  # only now: the digest of the file has been checked
            here = {slice: rounds[slice] for slice in pc.unique(table["slice"]).to_pylist() if slice in rounds}
            entries |= self._entries(table, here, parts)
        # Slices without rows are in the footer only.
        bare = {slice: round for slice, round in rounds.items() if slice not in entries}
        return entries | self._entries(SCHEMA.empty_table(), bare, parts)

    def _single_entries(self, locations: Mapping[str, SliceLocation], parts: Mapping[str, int]) -> dict[str, Entry]:
        entries, sound = {}, [SCHEMA.empty_table().select([*END_COLUMNS, *PART_COLUMNS])]
        for slice, table in singles_of(self.store, self.folder, locations=locations):
            if isinstance(table, StoreError):
                entries[slice] = Entry(locations[slice].round, _NOTHING, str(table))
            else:
                sound.append(table.select([*END_COLUMNS, *PART_COLUMNS]))
        rounds = {slice: place.round for slice, place in locations.items() if slice not in entries}
        return entries | self._entries(pa.concat_tables(sound), rounds, parts)

    def _entries(self, rows: pa.Table, rounds: Mapping[str, int], parts: Mapping[str, int]) -> dict[str, Entry]:
        check = check_slices(rows.select(END_COLUMNS))
        exact = {slice: round == 0 for slice, round in rounds.items()}
        torn = part_faults(rows.select(["slice", *PART_COLUMNS]), parts=parts, exact=exact, below=self.store.address)
        entries = {}
        for slice, round in rounds.items():
            faults = [*check.faults.get(slice, []), *([torn[slice]] if slice in torn else [])]
            if slice not in check.tallies:
                faults = [f"{self.store.address}/{self.folder}/{single_name(slice, round)} has no rows"]
            entries[slice] = Entry(round, check.tallies.get(slice, _NOTHING), "; ".join(faults))
        return entries

    def commit(self, slice: str, table: pa.Table, *, round: int = 0) -> bool:
        """Create the entry of a slice's round. Returns False if it exists already; `table` is ignored then.

        Creating the file is atomic, so that of several workers exactly one commits the slice.
        """
        path = f"{self.folder}/{single_name(slice, round)}"
        if not self.store.create(path, as_parquet(table)):
            return False
        if self._was_compacted(slice, round):  # its single file had been removed, so that the name was free again
            self.store.remove(path)
            return False
        return True

    def _was_compacted(self, slice: str, round: int) -> bool:
        names = self.store.names_from(self.folder, prefix=COMPACTED)
        return any(self._rounds_in(name).get(slice, -1) >= round for name in names if may_hold(name, slice))

    def set_damaged_aside(self, name: str) -> None:
        """Move a damaged compacted file away, so that its slices count as not committed."""
        if self.store.exists(f"{self.folder}/{name}"):  # another driver may have moved it
            self.store.move(f"{self.folder}/{name}", f"{self.folder}/{DAMAGED}/{name}")

    def tables(
        self, slices: Iterable[str], *, columns: Sequence[str] | None = None, rows: int = ROWS_AT_ONCE
    ) -> Iterator[pa.Table]:
        """Yield the rows of the highest round of each of `slices`, in the order of their numbers.

        A table has whole slices, and at most `rows` rows unless a single slice has more. Raises `StoreError` if a slice
        is missing or damaged.
        """
        wanted = list(columns or SCHEMA.names)
        pending: list[pa.Table] = []
        size = 0
        for table in self._by_slice(in_order(slices), list(dict.fromkeys(["slice", *wanted]))):
            if pending and size + table.num_rows > rows:
                yield pa.concat_tables(pending).combine_chunks().select(wanted)
                pending, size = [], 0
            pending.append(table)
            size += table.num_rows
        if pending:
            yield pa.concat_tables(pending).combine_chunks().select(wanted)

    def _by_slice(self, slices: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
        found = self.listing().locations
        if missing := next((slice for slice in slices if slice not in found), None):
            path = f"{self.folder}/{single_name(missing, 0)}"
            raise StoreError(f"{self.store.address}/{path} is missing; {RECOMPUTE}")
        files: dict[str, list[str]] = {}
        for slice in slices:
            files.setdefault(found[slice].file if found[slice].is_compacted else "", []).append(slice)
        # One cursor a file: `slices` and the rows of a compacted file are both sorted by number, so that each file is
        # read once, from its start to its end.
        cursors = {
            file: slices_of(self.store, f"{self.folder}/{file}", slices=names, columns=columns)
            if file
            else self._single_tables({slice: found[slice] for slice in names}, columns)
            for file, names in files.items()
        }
        for slice in slices:
            file = found[slice].file if found[slice].is_compacted else ""
            table = next(cursors[file], None)
            if table is None or (table.num_rows and table["slice"][0].as_py() != slice):
                raise StoreError(
                    f"{self.store.address}/{self.folder}/{found[slice].file} lacks slice {slice}; {RECOMPUTE}"
                )
            yield table

    def _single_tables(self, locations: Mapping[str, SliceLocation], columns: Sequence[str]) -> Iterator[pa.Table]:
        for _, table in singles_of(self.store, self.folder, locations=locations):
            if isinstance(table, StoreError):
                raise table
            yield table.select(list(columns))

    def read(self, slice: str, *, columns: list[str] | None = None) -> pa.Table:
        """Read the rows of one slice. Raises `StoreError` if its file is damaged."""
        try:
            [table] = self.tables([slice], columns=columns)
        except StoreError:  # a compaction may have removed its file since the folder was listed
            [table] = self.tables([slice], columns=columns)
        return table

    def enter_slices(self, slices: Mapping[str, int]) -> None:
        """Write the list of the dataset's slices, with the number of source rows that each was given.

        The folder may hold more slices, from before the rows of the source changed.
        """
        text = "".join(f"{name}\t{rows}\n" for name, rows in slices.items())
        self.store.write(f"{self.folder}/{SLICES}", text.encode())

    def slices(self) -> dict[str, int]:
        """The dataset's slices in order, with the number of source rows that each was given.

        Raises `StoreError` if no run has ended yet, or if the list is damaged.
        """
        name = f"{self.folder}/{SLICES}"
        lines = (line.split("\t") for line in self._text(name).splitlines())
        try:
            found = {slice: int(rows) for slice, rows in lines}
            if invalid := [slice for slice in found if not is_slice(slice)]:
                raise ValueError(f"{invalid[0][:40]!r} is no slice")
            return found
        except ValueError as error:
            raise StoreError(f"{self.store.address}/{name} is damaged: {error}; {_REWRITE}") from error

    def _text(self, name: str) -> str:
        try:
            return self.store.read(name).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.store.address}/{name} is damaged: {error}; {_REWRITE}") from error

    def enter_dropped(self, tables: Iterable[pa.Table]) -> None:
        """Write the records that packing rejected; replaces those of an earlier packing."""
        name = f"{self.folder}/{DROPPED}"
        with self.store.writing(name) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table)


_REWRITE = "run again, which writes it anew"
