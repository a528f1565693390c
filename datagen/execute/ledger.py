"""What became of every record: one Parquet file a slice, written last."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import StoreError
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
        ("task", pa.string()),
        ("instruction", pa.string()),
        ("license", pa.string()),
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
    task: str = ""
    instruction: str = ""
    license: str = ""


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
    counts = Counts(sources=pc.sum(pc.equal(table["parent"], "")).as_py() or 0)
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


def conservation_faults(rows: pa.Table) -> list[str]:
    """What contradicts that every record ended exactly once, some of each kind."""
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


class Ledger:
    """The committed slices of one run, below `run/ledger/<fingerprint>/`."""

    def __init__(self, store: Store, fingerprint: str) -> None:
        self.store = store
        self.folder = f"run/ledger/{fingerprint}"

    def committed(self) -> set[str]:
        """Names of the slices that are done."""
        names = self.store.names(self.folder)
        return {name.removesuffix(".parquet") for name in names if name.endswith(".parquet") and name != DROPPED}

    def commit(self, slice: str, table: pa.Table) -> bool:
        """Enter a slice; False if it was entered before, and then this one does not count."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        return self.store.create(f"{self.folder}/{slice}.parquet", buffer.getvalue())

    def enter_slices(self, names: Iterable[str]) -> None:
        """Note which slices the dataset consists of; others may be left of a manifest's earlier state."""
        self.store.write(f"{self.folder}/{SLICES}", "".join(f"{name}\n" for name in names).encode())

    def slices(self) -> list[str]:
        """The slices that the dataset consists of, in order. Raises `StoreError` before the first run has ended."""
        return self.store.read(f"{self.folder}/{SLICES}").decode().split()

    def enter_dropped(self, table: pa.Table) -> None:
        """Enter the records that packing rejected, over what an earlier packing entered."""
        buffer = io.BytesIO()
        pq.write_table(table, buffer, compression="zstd")
        self.store.write(f"{self.folder}/{DROPPED}", buffer.getvalue())

    def read_dropped(self) -> pa.Table:
        """The records that packing rejected; these rows count instead of those in the slices."""
        name = f"{self.folder}/{DROPPED}"
        return self._read(name, None) if self.store.exists(name) else SCHEMA.empty_table()

    def read(self, slice: str, *, columns: list[str] | None = None) -> pa.Table:
        """The rows of a slice. Raises `StoreError` if its file is damaged."""
        return self._read(f"{self.folder}/{slice}.parquet", columns)

    def _read(self, name: str, columns: list[str] | None) -> pa.Table:
        data = self.store.read(name)
        try:
            return pq.read_table(io.BytesIO(data), columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise StoreError(
                f"{self.store.address}/{name} is damaged: {error}; remove that file and run again"
            ) from error

    def read_all(self, slices: Iterable[str], *, columns: list[str] | None = None) -> pa.Table:
        """The rows of several slices, in their order."""
        tables = [self.read(slice, columns=columns) for slice in slices]
        empty = SCHEMA.empty_table() if columns is None else SCHEMA.empty_table().select(columns)
        return pa.concat_tables([empty, *tables])
