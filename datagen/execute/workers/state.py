"""A slice on its way: the records still in it, and the rows of those that ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.core.errors import DataError
from datagen.core.fields import Field
from datagen.core.record import Record
from datagen.core.redact import redact, redact_address
from datagen.core.stage import Lost
from datagen.execute.ledger.ledger import SCHEMA, Costs, Row, Status, to_table
from datagen.execute.workers.slices import Job
from datagen.imaging.codecs import Blobs, Travelled, dump_fields, load_lazily, scores_of, settled, told_fields
from datagen.sources.base import SourceRow


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
    """A slice between two workers: text, and buffers that need not be copied."""

    order: Order
    records: list[tuple[str, str, str, str]]
    """Id, parent, fields and costs of each, the last two as JSON."""
    rows: tuple[pa.Buffer, ...]
    """The ends of records, as Arrow streams of ledger columns, one from each operator that had some."""
    blobs: tuple[tuple[pa.Buffer, ...], ...]
    """Byte strings, numbered on from one operator's to the next one's."""
    known: int = 0
    """Of how many operators the blobs are those that the slice came with: they need not be sent again."""

    @property
    def bytes(self) -> int:
        """What it takes."""
        texts = sum(len(text) for record in self.records for text in record)
        buffers = (buffer for group in (self.rows, *self.blobs) for buffer in group)
        return texts + sum(int(buffer.size) for buffer in buffers)


class State:
    """A slice inside a worker."""

    def __init__(self, order: Order, *, live: list[Live], rows: list[Row], catalogue: Mapping[str, Field]) -> None:
        self.order = order
        self.live = live
        self._past: tuple[pa.Buffer, ...] = ()
        self._came_with: tuple[tuple[pa.Buffer, ...], ...] = ()
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
        return [*(Row(**row) for row in _joined(self._past).to_pylist()), *self._new]

    def ended(self) -> pa.Table:
        """The same as columns of the ledger."""
        return pa.concat_tables([_joined(self._past), to_table(self._new)])

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
        """Enter what became of a record, and how many new records came of it; secrets are struck out."""
        record = _public(live.record.adding(fields or {}))
        told = redact(detail) if status == "failed" else detail
        self._new.append(
            Row(
                id=record.id,
                parent=record.parent,
                status=status,
                source_uri=str(record.get("uri", "")),
                source_sha256=str(record.get("original_sha256") or record.get("sha256", "")),
                stage=stage,
                reason=reason,
                detail=told.encode("utf-8", "backslashreplace").decode(),
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
        """The slice for another worker. What nobody changed goes on as it came, unless most of it has ended."""
        known = self._came_with if self._is_mostly_needed() else ()
        blobs = self._blobs if known else Blobs()
        before = len(blobs.items)
        records = [
            (
                live.record.id,
                live.record.parent,
                dump_fields(live.record, catalogue=self.catalogue, blobs=blobs),
                json.dumps(asdict(live.costs)),
            )
            for live in self.live
        ]
        new = tuple(pa.py_buffer(item) for item in blobs.items[before:])
        rows = (*self._past, _stream(to_table(self._new))) if self._new else self._past
        return Parcel(self.order, records, rows, (*known, new) if new else known, len(known))

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
        blobs = Blobs([buffer for group in parcel.blobs for buffer in group])
        live = [
            Live(
                Record(id, load_lazily(fields, catalogue=catalogue, blobs=blobs), parent=parent),
                Costs(**json.loads(costs)),
            )
            for id, parent, fields, costs in parcel.records
        ]
        state = cls(parcel.order, live=live, rows=[], catalogue=catalogue)
        state._past = parcel.rows
        state._came_with, state._blobs = parcel.blobs, blobs
        return state


def _public(record: Record) -> Record:
    """The record without what its addresses should not tell."""
    texts = ((name, value) for name, value in record.raw().items() if isinstance(value, str))
    told = {name: redact_address(value) for name, value in texts if name in _ADDRESSES or "://" in value}
    return record.adding(told) if any(told[name] != record[name] for name in told) else record


_ADDRESSES = ("uri", "base")
"""Of which one may be relative to the other."""


def _stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _joined(streams: Iterable[pa.Buffer]) -> pa.Table:
    return pa.concat_tables([SCHEMA.empty_table(), *(pa.ipc.open_stream(stream).read_all() for stream in streams)])
