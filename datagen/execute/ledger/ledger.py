"""What became of every record: one Parquet file a slice, written last, and merged into larger ones later."""

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
    ANEW,
    COMPACTED,
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
"""Beside the slices: what packing rejected."""
DAMAGED = "damaged"
"""Folder of compacted files that were found damaged."""
ROWS_AT_ONCE = 50_000


class Entry(NamedTuple):
    """A committed slice, as it was found."""

    round: int
    """The highest that there is a file of."""
    tally: Tally
    fault: str
    """Why it cannot stay as it is, or ''."""

    def fault_of(self, slice: str, *, cut: int) -> str:
        """The same for a slice that was given `cut` rows of the source."""
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
        """Which files there are, and where each slice lies. Raises `StoreError` if a compacted one is damaged."""
        names = self.store.names(self.folder)
        return listed(names, compacted={name: self._rounds_in(name) for name in names if is_compacted(name)})

    def _rounds_in(self, name: str) -> Mapping[str, int]:
        if name not in self._rounds:  # such a file never changes
            self._rounds[name] = rounds_in(self.store, f"{self.folder}/{name}")
        return self._rounds[name]

    def committed(
        self, parts: Mapping[str, int], *, damaged: Callable[[str, StoreError], None] | None = None
    ) -> dict[str, Entry]:
        """All committed slices, read and checked; `parts` are the sizes of the parts by their path.

        `damaged` is told of compacted files that cannot be read, by their name; they count as not there.
        Without it, the first one is raised as `StoreError`.
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
        places = listed(names, compacted=compacted).places
        entries = {slice: found[at.file][slice] for slice, at in places.items() if at.is_compacted}
        return entries | self._single_entries({name: at for name, at in places.items() if not at.is_compacted}, parts)

    def _compacted_entries(self, name: str, parts: Mapping[str, int]) -> dict[str, Entry]:
        entries: dict[str, Entry] = {}
        rounds: Mapping[str, int] = {}
        for table in read_compacted(self.store, f"{self.folder}/{name}", columns=[*END_COLUMNS, *PART_COLUMNS]):
            rounds = self._rounds_in(name)  # only now, as its bytes are those of its name
            here = {slice: rounds[slice] for slice in pc.unique(table["slice"]).to_pylist() if slice in rounds}
            entries |= self._entries(table, here, parts)
        bare = {slice: round for slice, round in rounds.items() if slice not in entries}
        return entries | self._entries(SCHEMA.empty_table(), bare, parts)

    def _single_entries(self, places: Mapping[str, SliceLocation], parts: Mapping[str, int]) -> dict[str, Entry]:
        entries, sound = {}, [SCHEMA.empty_table().select([*END_COLUMNS, *PART_COLUMNS])]
        for slice, table in singles_of(self.store, self.folder, places=places):
            if isinstance(table, StoreError):
                entries[slice] = Entry(places[slice].round, _NOTHING, str(table))
            else:
                sound.append(table.select([*END_COLUMNS, *PART_COLUMNS]))
        rounds = {slice: place.round for slice, place in places.items() if slice not in entries}
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
        """Enter a slice's round; False if it was entered before, and then this one does not count."""
        path = f"{self.folder}/{single_name(slice, round)}"
        if not self.store.create(path, as_parquet(table)):
            return False
        if self._was_compacted(slice, round):  # and its file had gone, so that there was room for this one
            self.store.remove(path)
            return False
        return True

    def _was_compacted(self, slice: str, round: int) -> bool:
        names = self.store.names_from(self.folder, prefix=COMPACTED)
        return any(self._rounds_in(name).get(slice, -1) >= round for name in names if may_hold(name, slice))

    def set_damaged_aside(self, name: str) -> None:
        """Take a compacted file out of the way, so that its slices count as not committed."""
        if self.store.exists(f"{self.folder}/{name}"):  # another share may have done so
            self.store.move(f"{self.folder}/{name}", f"{self.folder}/{DAMAGED}/{name}")

    def tables(
        self, slices: Iterable[str], *, columns: Sequence[str] | None = None, rows: int = ROWS_AT_ONCE
    ) -> Iterator[pa.Table]:
        """The rows of some slices, in the order of their numbers: each slice once, its highest round.

        A table has whole slices, and at most `rows` rows unless a single slice has more. Raises
        `StoreError` if a slice is missing or damaged.
        """
        wanted = list(columns or SCHEMA.names)
        held: list[pa.Table] = []
        size = 0
        for table in self._by_slice(in_order(slices), list(dict.fromkeys(["slice", *wanted]))):
            if held and size + table.num_rows > rows:
                yield pa.concat_tables(held).combine_chunks().select(wanted)
                held, size = [], 0
            held.append(table)
            size += table.num_rows
        if held:
            yield pa.concat_tables(held).combine_chunks().select(wanted)

    def _by_slice(self, slices: Sequence[str], columns: Sequence[str]) -> Iterator[pa.Table]:
        found = self.listing().places
        if missing := next((slice for slice in slices if slice not in found), None):
            path = f"{self.folder}/{single_name(missing, 0)}"
            raise StoreError(f"{self.store.address}/{path} is missing; {ANEW}")
        files: dict[str, list[str]] = {}
        for slice in slices:
            files.setdefault(found[slice].file if found[slice].is_compacted else "", []).append(slice)
        cursors = {
            file: slices_of(self.store, f"{self.folder}/{file}", slices=held, columns=columns)
            if file
            else self._single_tables({slice: found[slice] for slice in held}, columns)
            for file, held in files.items()
        }
        for slice in slices:
            file = found[slice].file if found[slice].is_compacted else ""
            table = next(cursors[file], None)
            if table is None or (table.num_rows and table["slice"][0].as_py() != slice):
                raise StoreError(f"{self.store.address}/{self.folder}/{found[slice].file} lacks slice {slice}; {ANEW}")
            yield table

    def _single_tables(self, places: Mapping[str, SliceLocation], columns: Sequence[str]) -> Iterator[pa.Table]:
        for _, table in singles_of(self.store, self.folder, places=places):
            if isinstance(table, StoreError):
                raise table
            yield table.select(list(columns))

    def read(self, slice: str, *, columns: list[str] | None = None) -> pa.Table:
        """The rows of a slice. Raises `StoreError` if its file is damaged."""
        try:
            [table] = self.tables([slice], columns=columns)
        except StoreError:  # its file may have been merged into another since the folder was listed
            [table] = self.tables([slice], columns=columns)
        return table

    def enter_slices(self, slices: Mapping[str, int]) -> None:
        """Note which slices the dataset consists of, and how many rows of the source each was given.

        Other slices may be left of a manifest's earlier state.
        """
        text = "".join(f"{name}\t{rows}\n" for name, rows in slices.items())
        self.store.write(f"{self.folder}/{SLICES}", text.encode())

    def slices(self) -> dict[str, int]:
        """The slices that the dataset consists of, in order, and how many rows of the source each was given.

        Raises `StoreError` before the first run has ended, or if that list is damaged.
        """
        name = f"{self.folder}/{SLICES}"
        lines = (line.split("\t") for line in self._text(name).splitlines())
        try:
            found = {slice: int(rows) for slice, rows in lines}
            if odd := [slice for slice in found if not is_slice(slice)]:
                raise ValueError(f"{odd[0][:40]!r} is no slice")
            return found
        except ValueError as error:
            raise StoreError(f"{self.store.address}/{name} is damaged: {error}; {_ANEW}") from error

    def _text(self, name: str) -> str:
        try:
            return self.store.read(name).decode()
        except UnicodeDecodeError as error:
            raise StoreError(f"{self.store.address}/{name} is damaged: {error}; {_ANEW}") from error

    def enter_dropped(self, tables: Iterable[pa.Table]) -> None:
        """Enter the records that packing rejected, over what an earlier packing entered."""
        name = f"{self.folder}/{DROPPED}"
        with self.store.writing(name) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
            for table in tables:
                writer.write_table(table)


_ANEW = "run again, which writes it anew"
