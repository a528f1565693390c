"""What durable stages answered, kept so that no later run has to ask again.

An answer belongs to a stage's fingerprint, a slice and a record. What a stage
made of a whole slice is one file of `run/checkpoints`; while a remote stage is
at it, each single answer is a note below `run/cache` from the moment it is there.
Files of slices are created once: where two workers answer the same record, the first one
counts, and the other takes its answer over.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, count
from typing import Any, NamedTuple

import pyarrow as pa

from datagen.core.errors import StoreError
from datagen.core.fields import Field
from datagen.core.stage import Reject
from datagen.imaging.codecs import Blobs, dump_fields, load_fields
from datagen.storage.append_log import AppendLog, LogEntry
from datagen.storage.store import Store

CHECKPOINTS = "run/checkpoints"
CACHE = "run/cache"
REPLIES = f"{CACHE}/replies"
"""What services replied, by what they were asked: of use to any stage and fingerprint."""
SUFFIX = ".arrow"


class Cost(NamedTuple):
    """What one answer took."""

    seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0


class Kept(NamedTuple):
    """A checked answer (`Reject`, `Made` or fields), and what it took when it was given."""

    answer: Any
    cost: Cost


Known = dict[str, Kept]
"""Answers by the record's id, or by the name of a group."""


@dataclass(frozen=True)
class Made:
    """What Expand or Combine made of a record: for each new record the id of the one it is like, and its fields."""

    items: tuple[tuple[str, Mapping[str, Any]], ...]


class Answers:
    """The kept answers of one stage."""

    def __init__(self, store: Store, fingerprint: str, *, catalogue: Mapping[str, Field]) -> None:
        self._store = store
        self._catalogue = catalogue
        self._whole = f"{CHECKPOINTS}/{fingerprint}"
        self._single = f"{CACHE}/{fingerprint}"
        self._notes: dict[str, AppendLog] = {}
        """Of the slices that are answered now."""
        self._noted_before: dict[str, Known] = {}
        """What was found noted by a worker that did not come to `keep` it."""
        self.faults: list[str] = []
        """What could not be read, and is asked again."""

    def any(self) -> bool:
        """Whether some slice has answers."""
        return self._store.exists(self._whole) or self._store.exists(self._single)

    def kept(self, slice: str) -> Known:
        """All answers of a slice; what is damaged counts as not there."""
        noted = self._noted(slice)
        if noted:
            self._noted_before[slice] = noted
        return {**noted, **self._from_files(slice, 0)}

    def _noted(self, slice: str) -> Known:
        found: Known = {}
        for note in self._notes_of(slice).entries():
            found.update(self._of_note(note))
        return found

    def _of_note(self, note: LogEntry) -> Known:
        """The answer in a note; {} if it is damaged."""
        if note.data is not None:
            with suppress(*_NO_ANSWERS):
                return self._parsed_note(note.data)
        self._damaged(note.file)
        return {}

    def _notes_of(self, slice: str) -> AppendLog:
        return AppendLog(self._store, f"{self._single}/{slice}")

    def _from_files(self, slice: str, start: int) -> Known:
        found: Known = {}
        for number in count(start):
            known = self._read(self._file(slice, number))
            if known is None:
                return found
            found = {**known, **found}
        raise AssertionError

    def _file(self, slice: str, number: int) -> str:
        return f"{self._whole}/{slice}{f'.{number}' if number else ''}{SUFFIX}"

    def has_noted(self, slice: str) -> bool:
        """Whether `kept` found answers of the slice that no worker came to `keep`."""
        return slice in self._noted_before

    def note(self, slice: str, id: str, answer: Kept) -> None:
        """Keep one answer at once, until `keep` has those of the whole slice."""
        if slice not in self._notes:
            self._notes[slice] = self._notes_of(slice)
        key = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
        self._notes[slice].add(key, self._dumped_note(id, answer))

    def keep(self, slice: str, answers: Known) -> Known:
        """Keep what a stage newly made of a slice, beside what was noted; what counts, if another worker was first."""
        adopted: Known = {}
        lasting = {**self._noted_before.pop(slice, {}), **answers}
        for number in count():
            rest = {id: answer for id, answer in lasting.items() if id not in adopted}
            if not rest or self._store.create(self._file(slice, number), self._dumped(rest)):
                break
            adopted = {**(self._read(self._file(slice, number)) or {}), **adopted}
        self._notes.pop(slice, None)
        with suppress(StoreError):  # a worker that was given up may note still; what stays does no harm
            self._store.remove(f"{self._single}/{slice}")
        return {id: adopted.get(id, answer) for id, answer in answers.items()}

    def _dumped(self, answers: Known) -> bytes:
        blobs = Blobs()
        rows = [
            {"id": id, "answer": self._told(kept.answer, blobs), **kept.cost._asdict()} for id, kept in answers.items()
        ]
        sink = io.BytesIO()
        tables = (pa.Table.from_pylist(rows, _ROWS), pa.table({"blob": pa.array(blobs.items, pa.large_binary())}))
        for table in tables:
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        body = sink.getvalue()
        return hashlib.sha256(body).digest() + body

    def _told(self, answer: Any, blobs: Blobs) -> str:
        def dumped(fields: Mapping[str, Any]) -> str:
            return dump_fields(fields, catalogue=self._catalogue, blobs=blobs)

        if isinstance(answer, Reject):
            told: Any = ["reject", answer.reason, answer.detail, dumped(answer.fields)]
        elif isinstance(answer, Made):
            told = ["made", *([like, dumped(fields)] for like, fields in answer.items)]
        else:
            told = ["fields", dumped(answer)]
        return json.dumps(told)

    def _read(self, name: str) -> Known | None:
        """The answers in a file; None if there is none, {} if it is damaged."""
        with suppress(StoreError):
            data = self._store.read(name)
            body = data[_DIGEST:]
            if hashlib.sha256(body).digest() == data[:_DIGEST]:
                with suppress(*_NO_ANSWERS):
                    return self._parsed(body)
            self._damaged(name)
            return {}
        return None

    def _damaged(self, name: str) -> None:
        self.faults.append(f"{self._store.address}/{name} is damaged, so that its records are asked again")

    def _dumped_note(self, id: str, answer: Kept) -> bytes:
        """One answer: a line of JSON, then the blobs that it numbers. An Arrow file would cost as much as a call."""
        blobs = Blobs()
        told = self._told(answer.answer, blobs)
        head = json.dumps([id, told, *answer.cost, [len(blob) for blob in blobs.items]])
        return b"".join([head.encode(), b"\n", *blobs.items])

    def _parsed_note(self, body: bytes) -> Known:
        head, _, rest = body.partition(b"\n")
        id, told, *cost, sizes = json.loads(head)
        ends = list(accumulate(sizes))
        blobs = Blobs([rest[end - size : end] for size, end in zip(sizes, ends, strict=True)])
        return {id: Kept(self._loaded(json.loads(told), blobs), Cost(*cost))}

    def _parsed(self, body: bytes) -> Known:
        source = pa.BufferReader(body)
        rows, blob_rows = (pa.ipc.open_stream(source).read_all() for _ in range(2))
        blobs = Blobs(blob_rows["blob"].to_pylist())
        return {
            row["id"]: Kept(
                self._loaded(json.loads(row["answer"]), blobs), Cost(row["seconds"], row["tokens"], row["usd"])
            )
            for row in rows.to_pylist()
        }

    def _loaded(self, told: list[Any], blobs: Blobs) -> Any:
        kind, *rest = told
        if kind == "reject":
            reason, detail, fields = rest
            return Reject(reason, detail, load_fields(fields, catalogue=self._catalogue, blobs=blobs))
        if kind == "made":
            return Made(tuple((like, load_fields(text, catalogue=self._catalogue, blobs=blobs)) for like, text in rest))
        return load_fields(rest[0], catalogue=self._catalogue, blobs=blobs)


_ROWS = pa.schema(
    [
        ("id", pa.string()),
        ("answer", pa.large_string()),
        ("seconds", pa.float64()),
        ("tokens", pa.int64()),
        ("usd", pa.float64()),
    ]
)
_DIGEST = 32
_NO_ANSWERS = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, RecursionError)
"""What reading them raises where their checksum is right, and what they say is not."""
