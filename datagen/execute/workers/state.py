"""The state of a slice while it runs: its live records, and the ledger rows of those that ended.

`SliceState` is the slice inside a worker. `Parcel` is the same slice between two workers: text and buffers, which go
through Ray's object store without a copy. A parcel names its blobs, such as images, by number; each operator sends only
the blobs that it added, and a value that no stage reads is not even decoded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.core.error_text import shortened
from datagen.core.errors import DataError
from datagen.core.fields import Field
from datagen.core.record import Record
from datagen.core.redact import redact, redact_address, redact_data
from datagen.core.stage import Lost
from datagen.execute.ledger.ledger import SCHEMA, Costs, Row, Status, to_table
from datagen.execute.workers.slices import Job
from datagen.imaging.codecs import (
    Blobs,
    EncodedValue,
    canonical,
    dump_fields,
    dump_ledger_fields,
    is_in_ledger,
    load_lazily,
    scores_of,
)
from datagen.sources.base import SourceRow


@dataclass
class LiveRecord:
    """A record that has not ended, and what it cost so far."""

    record: Record
    costs: Costs = field(default_factory=Costs)
    merged: str = ""
    """If a Combine made it or its ancestor: a digest of the checksums of all files that were read for the group."""


class RecordEnd(NamedTuple):
    """How a record ended."""

    status: Status
    stage: str = ""
    """The stage at which it ended; '' if it was accepted."""
    reason: str = ""
    detail: str = ""
    """A text for people. Secrets are removed from it if the record failed."""
    fields: Mapping[str, Any] = {}
    """Fields that its ledger row has beside those of the record."""
    children: int = 0
    """Number of new records made of it."""


class SliceOrder(NamedTuple):
    """Which slice is run, and which of its records. See `Job` for the fields."""

    slice: str
    round: int = 0
    sources: frozenset[str] | None = None
    only: frozenset[str] | None = None

    @property
    def is_partial(self) -> bool:
        """Whether only some records run, and the rows of the others stay as they are."""
        return self.sources is not None


class Parcel(NamedTuple):
    """A slice between two workers."""

    order: SliceOrder
    records: list[tuple[str, str, str, str, str]]
    """Id, parent, fields, costs and `merged` of each live record, fields and costs as JSON."""
    rows: tuple[pa.Buffer, ...]
    """Ended records as Arrow streams of ledger columns, one stream from each operator at which some ended."""
    blobs: tuple[tuple[pa.Buffer, ...], ...]
    """Byte strings in one group for each operator that added some, numbered through all groups."""
    known: int = 0
    """How many of the groups the slice came with; these need not be sent again."""

    @property
    def bytes(self) -> int:
        """Its size in bytes."""
        texts = sum(len(text) for record in self.records for text in record)
        buffers = (buffer for group in (self.rows, *self.blobs) for buffer in group)
        return texts + sum(int(buffer.size) for buffer in buffers)


class SliceState:
    """A slice inside a worker.

    `live` are the records that have not ended, `rows` the ledger rows of those that have, `catalogue` the fields by
    name.
    """

    def __init__(
        self, order: SliceOrder, *, live: list[LiveRecord], rows: list[Row], catalogue: Mapping[str, Field]
    ) -> None:
        self.order = order
        self.live = live
        self._past: tuple[pa.Buffer, ...] = ()
        self._came_with: tuple[tuple[pa.Buffer, ...], ...] = ()
        self._blobs = Blobs()
        self._new = list(rows)
        self.catalogue = catalogue
        self.attempt = 1
        """Attempts at the slice in this run, this one included."""

    @classmethod
    def start(cls, job: Job, *, catalogue: Mapping[str, Field]) -> SliceState:
        """The state of a job before its first stage. Rows that the source could not read fail at once."""
        state = cls(SliceOrder(job.slice.name, job.round, job.sources, job.only), live=[], rows=[], catalogue=catalogue)
        for row in job.slice.rows:
            if job.sources is None or row.id in job.sources:
                state._admit(row)
        return state

    @property
    def rows(self) -> list[Row]:
        """Ledger rows of the records that have ended so far."""
        return [*(Row(**row) for row in _concat_streams(self._past).to_pylist()), *self._new]

    def ended(self) -> pa.Table:
        """The same rows as a table with the columns of the ledger."""
        return pa.concat_tables([_concat_streams(self._past), to_table(self._new)])

    @property
    def slice(self) -> str:
        """The slice's name."""
        return self.order.slice

    def wants(self, id: str) -> bool:
        """Whether a record that a stage made goes on (a retry runs only some)."""
        return self.order.only is None or id in self.order.only

    def _admit(self, row: SourceRow) -> None:
        try:
            fields = {name: canonical(self.catalogue[name], value) for name, value in row.fields.items()}
            fault = row.error
        except DataError as error:
            fields, fault = {}, str(error)
        live = LiveRecord(Record(row.id, fields))
        if fault:
            self.end(live, RecordEnd("failed", "source", "error", fault))
        else:
            self.live.append(live)

    def end(self, live: LiveRecord, end: RecordEnd, **columns: Any) -> None:
        """Add the ledger row of a record that ended, without secrets.

        `columns` are the columns that the sample of an accepted record fills.
        """
        record = self._redacted(live.record.adding(end.fields))
        detail = end.detail and shortened(end.detail, clean=redact if end.status == "failed" else redact_data)
        self._new.append(
            Row(
                id=record.id,
                parent=record.parent,
                status=end.status,
                source_uri=str(record.get("uri", "")),
                source_sha256=str(record.get("original_sha256") or record.get("sha256", "")),
                stage=end.stage,
                reason=end.reason,
                # Arrow stores UTF-8 only: a lone surrogate, as in the name of a broken file, becomes an escape.
                detail=detail.encode("utf-8", "backslashreplace").decode(),
                scores=json.dumps(scores_of(record, catalogue=self.catalogue)),
                fields=dump_ledger_fields(record, catalogue=self.catalogue),
                attempts=self.attempt + self.order.round,
                children=end.children,
                slice=self.slice,
                **live.costs.as_columns(),
                **columns,
            )
        )

    def _redacted(self, record: Record) -> Record:
        """The record with secrets removed from what its ledger row stores of it."""
        stored = {
            name: value
            for name, value in record.raw().items()
            if name in _ROW_SOURCES or is_in_ledger(self.catalogue[name])
        }
        cleaned = redact_data(stored)
        relative = {name: redact_address(cleaned[name]) for name in _ADDRESSES if isinstance(cleaned.get(name), str)}
        changed = {name: value for name, value in {**cleaned, **relative}.items() if value is not stored[name]}
        return record.adding(changed) if changed else record

    def lost(self, by: str) -> Iterator[tuple[Lost, str]]:
        """Yield the records that were rejected or failed so far, each with its group.

        The group is the value of the field `by`, or the parent's id if `by` is empty.
        """
        for row in self.rows:
            if row.status in ("rejected", "failed"):
                group = str(json.loads(row.fields).get(by, "")) if by else row.parent
                yield Lost(row.id, "failed" if row.status == "failed" else "rejected", row.stage, row.reason), group

    def parcel(self) -> Parcel:
        """The slice for the next operator.

        Blobs that it came with are not sent again. But if more than half of their bytes belong to records that have
        ended, the blobs of the live records are packed anew, so that the object store can free the rest.
        """
        known = self._came_with if self._is_mostly_needed() else ()
        blobs = self._blobs if known else Blobs()
        before = len(blobs.items)
        records = [
            (
                live.record.id,
                live.record.parent,
                dump_fields(live.record, catalogue=self.catalogue, blobs=blobs),
                json.dumps(asdict(live.costs)),
                live.merged,
            )
            for live in self.live
        ]
        new = tuple(pa.py_buffer(item) for item in blobs.items[before:])
        rows = (*self._past, _to_stream(to_table(self._new))) if self._new else self._past
        return Parcel(self.order, records, rows, (*known, new) if new else known, len(known))

    def _is_mostly_needed(self) -> bool:
        """Whether at least half of the bytes that the slice came with belong to live records."""
        held = (value for live in self.live for value in live.record.raw().values())
        travelled = (value for value in held if isinstance(value, EncodedValue) and value.blobs is self._blobs)
        numbers = {number for value in travelled for number in value.numbers()}
        needed = sum(len(self._blobs.items[number]) for number in numbers)
        return 2 * needed >= sum(map(len, self._blobs.items))

    @classmethod
    def from_parcel(cls, parcel: Parcel, *, catalogue: Mapping[str, Field]) -> SliceState:
        """The slice in a parcel. Values are decoded when a stage reads them."""
        blobs = Blobs([buffer for group in parcel.blobs for buffer in group])
        live = [
            LiveRecord(
                Record(id, load_lazily(fields, catalogue=catalogue, blobs=blobs), parent=parent),
                Costs(**json.loads(costs)),
                merged,
            )
            for id, parent, fields, costs, merged in parcel.records
        ]
        state = cls(parcel.order, live=live, rows=[], catalogue=catalogue)
        state._past = parcel.rows
        state._came_with, state._blobs = parcel.blobs, blobs
        return state


_ADDRESSES = ("uri", "base", "target_uri", "reference_uri")
"""Fields that are addresses even without `://`: one may be relative to the other."""
_ROW_SOURCES = frozenset((*_ADDRESSES, "original_sha256", "sha256", "carried"))
"""Fields that columns of a row are made of, whether or not the ledger has them among its fields."""


def _to_stream(table: pa.Table) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _concat_streams(streams: Iterable[pa.Buffer]) -> pa.Table:
    return pa.concat_tables([SCHEMA.empty_table(), *(pa.ipc.open_stream(stream).read_all() for stream in streams)])
