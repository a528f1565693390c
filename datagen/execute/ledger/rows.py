"""The rows of the ledger: their columns, what a record cost, and counts over many rows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

Status = Literal["accepted", "rejected", "failed", "expanded", "combined"]
SCHEMA = pa.schema(
    [
        ("slice", pa.string()),
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
        ("stage_tokens", pa.string()),
        ("stage_usd", pa.string()),
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
ADDED = {"stage_tokens": "{}", "stage_usd": "{}"}
"""Columns that ledgers of version 0.1.0 do not have, with the value that is read instead."""


@dataclass
class Row:
    """How one record ended. `scores`, `fields`, `seconds`, `stage_tokens`, `stage_usd` and `members` are JSON text."""

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
    stage_tokens: str = "{}"
    stage_usd: str = "{}"
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
    """How many new records were made of it. For a combined group, its first record has the number."""
    slice: str = ""


@dataclass
class Costs:
    """What a record cost so far."""

    seconds: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    usd: dict[str, float] = field(default_factory=dict)
    """All three are by stage; `tokens` and `usd` only have stages that charged any."""

    def add(self, stage: str, *, seconds: float, tokens: int = 0, usd: float = 0.0) -> None:
        """Add seconds, tokens and US dollars of one stage."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds
        if tokens:
            self.tokens[stage] = self.tokens.get(stage, 0) + tokens
        if usd:
            self.usd[stage] = self.usd.get(stage, 0.0) + usd

    def as_columns(self) -> dict[str, Any]:
        """The values of a row's cost columns."""
        return {
            "seconds": json.dumps({stage: round(value, 6) for stage, value in self.seconds.items()}),
            "tokens": sum(self.tokens.values()),
            "usd": sum(self.usd.values()),
            "stage_tokens": json.dumps(self.tokens),
            "stage_usd": json.dumps(self.usd),
        }


@dataclass
class Counts:
    """How many records ended with each status."""

    sources: int = 0
    accepted: int = 0
    failed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    """By `stage/reason`."""
    inner: int = 0
    """Records that were expanded or combined, so that others continue for them."""

    @property
    def records(self) -> int:
        """Accepted, failed and rejected records together."""
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
    counts = Counts(sources=table.num_rows - count_children(table))
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


def to_table(rows: Iterable[Row]) -> pa.Table:
    """Convert rows to a table with the columns of `SCHEMA`."""
    values = [vars(row) for row in rows]
    return pa.table([pa.array([row[field.name] for row in values], field.type) for field in SCHEMA], schema=SCHEMA)


def joined(tables: Iterable[pa.Table]) -> pa.Table:
    """Concatenate the tables of several slices; an empty table if there are none."""
    return pa.concat_tables([SCHEMA.empty_table(), *tables])


def count_children(rows: pa.Table) -> int:
    """How many records stages made out of these: the sum of `children`."""
    return int(pc.sum(rows["children"]).as_py() or 0)
