"""What became of every record: one Parquet file a slice, written last."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import StoreError
from datagen.shards.writer import ending
from datagen.store import Store

Status = Literal["accepted", "rejected", "failed", "expanded", "combined"]
SLICES = "slices.txt"
DROPPED = "pack.parquet"
"""Beside the slices: what packing rejected."""

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("parent", pa.string()),
        ("source_uri", pa.string()),
        ("source_sha256", pa.string()),
        ("status", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("key", pa.string()),
        ("scores", pa.string()),
        ("fields", pa.string()),
        ("seconds", pa.string()),
        ("tokens", pa.int64()),
        ("usd", pa.float64()),
        ("attempts", pa.int32()),
        ("part", pa.string()),
        ("offset", pa.int64()),
        ("size", pa.int64()),
        ("members", pa.string()),
        ("content", pa.string()),
        ("sha256", pa.string()),
        ("task", pa.string()),
        ("instruction", pa.string()),
        ("license", pa.string()),
        ("children", pa.int32()),
    ]
)


@dataclass
class Row:
    """One record's end. `scores`, `fields`, `seconds` and `members` are JSON text."""

    id: str
    parent: str
    status: Status
    source_uri: str = ""
    source_sha256: str = ""
    stage: str = ""
    reason: str = ""
    detail: str = ""
    key: str = ""
    scores: str = "{}"
    fields: str = "{}"
    seconds: str = "{}"
    tokens: int = 0
    usd: float = 0.0
    attempts: int = 1
    part: str = ""
    offset: int = 0
    size: int = 0
    members: str = "{}"
    content: str = ""
    sha256: str = ""
    """Of the sample's bytes in its part."""
    task: str = ""
    instruction: str = ""
    license: str = ""
    children: int = 0
    """How many new records came of it; those of a group that was combined stand at its first record."""


@dataclass
class Costs:
    """What a record took so far."""

    seconds: dict[str, float] = field(default_factory=dict)
    tokens: int = 0
    usd: float = 0.0

    def add(self, stage: str, *, seconds: float, tokens: int = 0, usd: float = 0.0) -> None:
        """Book what one stage took."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        self.tokens += tokens
        self.usd += usd

    def told(self) -> dict[str, Any]:
        """The cost columns of a row."""
        seconds = json.dumps({stage: round(value, 6) for stage, value in self.seconds.items()})
        return {"seconds": seconds, "tokens": self.tokens, "usd": self.usd}


@dataclass
class Counts:
    """How many records ended how."""

    sources: int = 0
    accepted: int = 0
    failed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    inner: int = 0

    @property
    def records(self) -> int:
        """All that ended."""
        return self.accepted + self.failed + sum(self.rejected.values())

    def add(self, other: Counts) -> None:
        """Add the counts of another slice."""
        self.sources += other.sources
        self.accepted += other.accepted
        self.failed += other.failed
        self.inner += other.inner
        for reason, number in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + number


def count(table: pa.Table) -> Counts:
    """Count the rows of one or more slices."""
    counts = Counts(sources=table.num_rows - _made(table))
    ends = (
        table.select(["status", "stage", "reason"])
        .group_by(["status", "stage", "reason"])
        .aggregate([([], "count_all")])
    )
    for row in ends.to_pylist():
        number = row["count_all"]
        if row["status"] == "rejected":
            counts.rejected[f"{row['stage']}/{row['reason']}"] = number
        elif row["status"] == "accepted":
            counts.accepted += number
        elif row["status"] == "failed":
            counts.failed += number
        else:
            counts.inner += number
    return counts


_ENDS = ["id", "parent", "status", "children"]


def conservation_faults(slices: Mapping[str, pa.Table], *, cut: Mapping[str, int]) -> list[str]:
    """What contradicts that every record ended exactly once, some of each kind.

    `slices` are the rows by slice, `cut` how many rows of the source each slice was given.
    """
    rows = pa.concat_tables([SCHEMA.empty_table().select(_ENDS), *(table.select(_ENDS) for table in slices.values())])
    lost = (fault for name, table in slices.items() if (fault := slice_fault(name, table, cut=cut[name])))
    return [*islice(lost, 3), *_end_faults(rows), *_child_faults(rows)]


def dropped_faults(rows: pa.Table, dropped: pa.Table) -> list[str]:
    """What packing dropped without having been given it."""
    accepted = rows["id"].filter(pc.equal(rows["status"], "accepted"))
    strange = _without(dropped["id"], accepted).slice(0, 3).to_pylist()
    return [f"record '{id}' was dropped by packing, but was not accepted before" for id in strange]


def slice_fault(name: str, rows: pa.Table, *, cut: int) -> str:
    """Says it if a slice does not have an end for every row of the source and every record made of them; else ''."""
    made = _made(rows)
    if rows.num_rows == cut + made:
        return ""
    return (
        f"slice {name}: {cut + made} records began ({cut} of the source, {made} made by stages), {rows.num_rows} ended"
    )


def _made(rows: pa.Table) -> int:
    return int(pc.sum(rows["children"]).as_py() or 0)


def _child_faults(rows: pa.Table) -> list[str]:
    """Children that expanded records had, but that did not end."""
    expanded = rows.filter(pc.equal(rows["status"], "expanded")).select(["id", "children"])
    ids = [
        f"{id}#{number}"
        for id, children in zip(*(column.to_pylist() for column in expanded.columns), strict=True)
        for number in range(children or 0)
    ]
    lost = _without(pa.array(ids, pa.string()), rows["id"])
    return [f"record '{id}' began, but has no end" for id in lost.slice(0, 3).to_pylist()]


def _end_faults(rows: pa.Table) -> list[str]:
    times = pc.value_counts(rows["id"])
    twice = times.filter(pc.greater(times.field("counts"), 1)).field("values").slice(0, 3).to_pylist()
    parents = pc.unique(rows["parent"].filter(pc.not_equal(rows["parent"], "")))
    inner = rows["id"].filter(pc.is_in(rows["status"], pa.array(["expanded", "combined"])))
    expanded = rows["id"].filter(pc.equal(rows["status"], "expanded"))
    orphaned = _without(parents, rows["id"])
    ended = _without(parents.filter(pc.invert(pc.is_in(parents, orphaned))), inner)
    return [
        *(f"record '{id}' ended twice" for id in twice),
        *(f"record '{id}' has children but no end" for id in orphaned.slice(0, 3).to_pylist()),
        *(f"record '{id}' ended and yet has children" for id in ended.slice(0, 3).to_pylist()),
        *(f"record '{id}' was expanded into nothing" for id in _without(expanded, parents).slice(0, 3).to_pylist()),
    ]


def _without(values: pa.Array | pa.ChunkedArray, known: pa.Array | pa.ChunkedArray) -> pa.Array:
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    inside = known.combine_chunks() if isinstance(known, pa.ChunkedArray) else known
    return flat.filter(pc.invert(pc.is_in(flat, value_set=inside)))


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Rows as columns."""
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=SCHEMA)


def _parts(rows: pa.Table) -> list[str]:
    return [path for path in pc.unique(rows["part"]).to_pylist() if path]


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """The rows of several slices as one table."""
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


class Ledger:
    """The committed slices of one run, below `run/ledger/<fingerprint>/`."""

    def __init__(self, store: Store, fingerprint: str) -> None:
        self.store = store
        self.fingerprint = fingerprint
        self.folder = f"run/ledger/{fingerprint}"

    def committed(self) -> set[str]:
        """Names of the slices that are done."""
        names = self.store.names(self.folder)
        return {name.removesuffix(".parquet") for name in names if name.endswith(".parquet") and name != DROPPED}

    def fault(self, slice: str, *, cut: int, parts: Mapping[str, int]) -> str:
        """Why a committed slice cannot stay as it is, or ''; `parts` are the sizes of the parts by their path.

        `cut` is how many rows of the source the slice was given.
        """
        try:
            rows = self.read(slice, columns=["id", "parent", "status", "children", "part", "offset", "size"])
        except StoreError as error:
            return str(error)
        if faults := conservation_faults({slice: rows}, cut={slice: cut}):
            return "; ".join(faults)
        return next((fault for path in _parts(rows) if (fault := self._part_fault(rows, path, parts))), "")

    def _part_fault(self, rows: pa.Table, path: str, parts: Mapping[str, int]) -> str:
        if path not in parts:
            return f"{self.store.address}/{path} is missing"
        within = rows.filter(pc.equal(rows["part"], path))
        end = pc.max(pc.add(within["offset"], within["size"])).as_py()
        expected = end + len(ending(end))
        if parts[path] != expected:
            return f"{self.store.address}/{path} has {parts[path]} bytes, not {expected}"
        return ""

    def commit(self, slice: str, table: pa.Table) -> bool:
        """Enter a slice; False if it was entered before, and then this one does not count."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return self.store.create(f"{self.folder}/{slice}.parquet", buffer.getvalue())

    def drop(self, slice: str) -> None:
        """Forget a slice, so that it is computed again."""
        self.store.remove(f"{self.folder}/{slice}.parquet")

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
            return {slice: int(rows) for slice, rows in lines}
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

    def read_dropped(self) -> pa.Table:
        """The records that packing rejected; these rows count instead of those in the slices."""
        name = f"{self.folder}/{DROPPED}"
        return self._read(name, None, _ANEW) if self.store.exists(name) else SCHEMA.empty_table()

    def read(self, slice: str, *, columns: list[str] | None = None) -> pa.Table:
        """The rows of a slice. Raises `StoreError` if its file is damaged."""
        return self._read(f"{self.folder}/{slice}.parquet", columns, "run again, which computes that slice anew")

    def _read(self, name: str, columns: list[str] | None, remedy: str) -> pa.Table:
        try:
            data = self.store.read(name)
        except StoreError as error:
            raise StoreError(f"{error}; {remedy}") from error
        try:
            file = pq.ParquetFile(io.BytesIO(data))
            if file.schema_arrow.equals(SCHEMA):
                return file.read(columns)
        except (pa.ArrowException, OSError) as error:
            raise StoreError(f"{self.store.address}/{name} is damaged: {error}; {remedy}") from error
        found = ", ".join(file.schema_arrow.names)
        raise StoreError(f"{self.store.address}/{name} is damaged: its columns are {found}; {remedy}")


_ANEW = "run again, which writes it anew"
