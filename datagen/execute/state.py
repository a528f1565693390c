"""A slice on its way: the records still in it, and the rows of those that ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.errors import DataError
from datagen.execute.ledger import SCHEMA, Costs, Row, Status, to_table
from datagen.execute.slices import Job
from datagen.fields import Field
from datagen.record import Record
from datagen.sources.base import SourceRow
from datagen.stage import Lost
from datagen.values import Blobs, Travelled, dump_fields, load_lazily, scores_of, settled, told_fields


@dataclass
class Live:
    """A record that has not ended, and what it took so far."""

    record: Record
    costs: Costs = field(default_factory=Costs)


class Order(NamedTuple):
    """What is asked of a slice."""

    slice: str
    round: int = 0
    sources: frozenset[str] | None = None
    only: frozenset[str] | None = None

    @property
    def is_partial(self) -> bool:
        """Whether the other records of the slice stay as they ended before."""
        return self.sources is not None


class Parcel(NamedTuple):
    """A slice between two workers, as Arrow data."""

    order: Order
    records: pa.Table
    rows: pa.Table
    blobs: tuple[pa.Array, ...]
    """Byte strings, numbered on from array to array."""
    known: int = 0
    """How many of the arrays are those that the slice came with: they need not be sent again."""

    @property
    def bytes(self) -> int:
        """What it takes."""
        return int(self.records.nbytes + self.rows.nbytes + sum(array.nbytes for array in self.blobs))


class State:
    """A slice inside a worker."""

    def __init__(self, order: Order, *, live: list[Live], rows: list[Row], catalogue: Mapping[str, Field]) -> None:
        self.order = order
        self.live = live
        self._past = SCHEMA.empty_table()
        self._came_with: tuple[pa.Array, ...] = ()
        self._blobs = Blobs()
        self._new = list(rows)
        self.catalogue = catalogue
        self.attempt = 1
        """How often the slice was tried in this run, this time included."""

    @classmethod
    def start(cls, job: Job, *, catalogue: Mapping[str, Field]) -> State:
        """A slice as it was cut; rows that the source could not read fail at once."""
        state = cls(Order(job.slice.name, job.round, job.sources, job.only), live=[], rows=[], catalogue=catalogue)
        for row in job.slice.rows:
            if job.sources is None or row.id in job.sources:
                state._admit(row)
        return state

    @property
    def rows(self) -> list[Row]:
        """The ends of its records so far."""
        return [*(Row(**row) for row in self._past.to_pylist()), *self._new]

    def ended(self) -> pa.Table:
        """The same as columns of the ledger; what came from another worker is passed on as it came."""
        return pa.concat_tables([self._past, to_table(self._new)])

    @property
    def slice(self) -> str:
        """The slice's name."""
        return self.order.slice

    def wants(self, id: str) -> bool:
        """Whether a record that a stage made is to go on."""
        return self.order.only is None or id in self.order.only

    def _admit(self, row: SourceRow) -> None:
        try:
            fields = {name: settled(self.catalogue[name], value) for name, value in row.fields.items()}
            fault = row.error
        except DataError as error:
            fields, fault = {}, str(error)
        live = Live(Record(row.id, fields))
        if fault:
            self.end(live, "failed", "source", reason="error", detail=fault)
        else:
            self.live.append(live)

    def end(
        self,
        live: Live,
        status: Status,
        stage: str,
        *,
        reason: str = "",
        detail: str = "",
        fields: Mapping[str, Any] | None = None,
        children: int = 0,
        **columns: Any,
    ) -> None:
        """Enter what became of a record, and how many new records came of it."""
        record = live.record.adding(fields or {})
        self._new.append(
            Row(
                id=record.id,
                parent=record.parent,
                status=status,
                source_uri=str(record.get("uri", "")),
                source_sha256=str(record.get("original_sha256") or record.get("sha256", "")),
                stage=stage,
                reason=reason,
                detail=detail.encode("utf-8", "backslashreplace").decode(),
                scores=json.dumps(scores_of(record, catalogue=self.catalogue)),
                fields=told_fields(record, catalogue=self.catalogue),
                attempts=self.attempt + self.order.round,
                children=children,
                slice=self.slice,
                **live.costs.told(),
                **columns,
            )
        )

    def lost(self, by: str) -> Iterator[tuple[Lost, str]]:
        """Records that were rejected or failed so far, each with its group: a field's value or its parent."""
        for row in self.rows:
            if row.status in ("rejected", "failed"):
                group = str(json.loads(row.fields).get(by, "")) if by else row.parent
                yield Lost(row.id, "failed" if row.status == "failed" else "rejected", row.stage, row.reason), group

    def parcel(self) -> Parcel:
        """The slice as Arrow data. What nobody changed goes on as it came, unless most of it has ended."""
        known = self._came_with if self._is_mostly_needed() else ()
        blobs = self._blobs if known else Blobs()
        before = len(blobs.items)
        records = [
            {
                "id": live.record.id,
                "parent": live.record.parent,
                "fields": dump_fields(live.record, catalogue=self.catalogue, blobs=blobs),
                "costs": json.dumps(asdict(live.costs)),
            }
            for live in self.live
        ]
        table = pa.Table.from_pylist(records, schema=_RECORDS)
        new = blobs.items[before:]
        arrays = (*known, pa.array(new, pa.large_binary())) if new else known
        return Parcel(self.order, table, self.ended(), arrays, len(known))

    def _is_mostly_needed(self) -> bool:
        """Whether at least half of the bytes that it came with belong to records that go on."""
        held = (value for live in self.live for value in live.record.raw().values())
        travelled = (value for value in held if isinstance(value, Travelled) and value.blobs is self._blobs)
        numbers = {number for value in travelled for number in value.numbers()}
        needed = sum(len(self._blobs.items[number]) for number in numbers)
        return 2 * needed >= sum(map(len, self._blobs.items))

    @classmethod
    def unpacked(cls, parcel: Parcel, *, catalogue: Mapping[str, Field]) -> State:
        """The slice in a parcel."""
        blobs = Blobs([scalar.as_buffer() for array in parcel.blobs for scalar in array])
        live = [
            Live(
                Record(row["id"], load_lazily(row["fields"], catalogue=catalogue, blobs=blobs), parent=row["parent"]),
                Costs(**json.loads(row["costs"])),
            )
            for row in parcel.records.to_pylist()
        ]
        state = cls(parcel.order, live=live, rows=[], catalogue=catalogue)
        state._past = parcel.rows
        state._came_with, state._blobs = parcel.blobs, blobs
        return state


_RECORDS = pa.schema([("id", pa.string()), ("parent", pa.string()), ("fields", pa.string()), ("costs", pa.string())])
