"""The answers of durable stages, stored so that later runs do not compute or pay for them again.

The key of an answer is the fingerprint of the stage, the slice, the record, and the checksums of files that were read.
The answers of a whole slice are saved as one file in `run/checkpoints`. While a stage that calls a service works on a
slice, each answer is also appended to a log in `run/cache` as soon as it arrives. A file is created only once: if two
workers answer the same record, the first answer counts and the other worker adopts it.
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
"""Replies of services by a hash of the request. They do not depend on a stage or its fingerprint."""
SUFFIX = ".arrow"


class Cost(NamedTuple):
    """Cost of one answer in seconds, tokens and US dollars."""

    seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0


class CachedAnswer(NamedTuple):
    """A checked answer (`Reject`, `MadeRecords` or a mapping of fields), and its cost when it was computed."""

    answer: Any
    cost: Cost


AnswersById = dict[str, CachedAnswer]
"""Answers by the id of the record, or by the name of a Combine's group. If files were read for them, a digest of their
checksums follows, behind a NUL."""


@dataclass(frozen=True)
class MadeRecords:
    """The records that Expand or Combine made of a record or group.

    Each item is the id of the record that the new one inherits from, '' for the record itself, and the new fields.
    """

    items: tuple[tuple[str, Mapping[str, Any]], ...]


class AnswerCache:
    """The stored answers of one stage with one fingerprint."""

    def __init__(self, store: Store, fingerprint: str, *, catalogue: Mapping[str, Field]) -> None:
        self._store = store
        self._catalogue = catalogue
        self._saved_folder = f"{CHECKPOINTS}/{fingerprint}"
        self._log_folder = f"{CACHE}/{fingerprint}"
        self._logs: dict[str, AppendLog] = {}
        """Open logs, by slice."""
        self._unsaved: dict[str, AnswersById] = {}
        """By slice, answers in logs of workers that stopped before they called `save`."""
        self.faults: list[str] = []
        """Damaged files; their records are computed again."""

    def has_any(self) -> bool:
        """Whether any slice has answers."""
        return self._store.exists(self._saved_folder) or self._store.exists(self._log_folder)

    def load(self, slice: str) -> AnswersById:
        """Read all answers of a slice. Damaged ones are left out and noted in `faults`."""
        logged = self._load_log(slice)
        if logged:
            self._unsaved[slice] = logged
        return {**logged, **self._load_saved(slice)}

    def _load_log(self, slice: str) -> AnswersById:
        found: AnswersById = {}
        for note in self._open_log(slice).entries():
            found.update(self._parse_logged(note))
        return found

    def _parse_logged(self, note: LogEntry) -> AnswersById:
        """The answer in a note of a log; {} if it is damaged."""
        if note.data is not None:
            with suppress(*_PARSE_ERRORS):
                return self._note_from_bytes(note.data)
        self._add_fault(note.file)
        return {}

    def _open_log(self, slice: str) -> AppendLog:
        return AppendLog(self._store, f"{self._log_folder}/{slice}")

    def _load_saved(self, slice: str) -> AnswersById:
        found: AnswersById = {}
        for number in count():
            known = self._read(self._file(slice, number))
            if known is None:
                return found
            found = {**known, **found}
        raise AssertionError

    def _file(self, slice: str, number: int) -> str:
        return f"{self._saved_folder}/{slice}{f'.{number}' if number else ''}{SUFFIX}"

    def has_unsaved(self, slice: str) -> bool:
        """Whether `load` found a log of the slice, from a worker that stopped before it called `save`."""
        return slice in self._unsaved

    def append(self, slice: str, id: str, answer: CachedAnswer) -> None:
        """Append one answer to the log of the slice, so that a kill loses none before `save`."""
        if slice not in self._logs:
            self._logs[slice] = self._open_log(slice)
        # An id may have lone surrogates, which strict UTF-8 refuses.
        key = hashlib.sha256(id.encode("utf-8", "surrogatepass")).hexdigest()
        self._logs[slice].add(key, self._note_to_bytes(id, answer))

    def save(self, slice: str, answers: AnswersById) -> AnswersById:
        """Save new answers of a slice, and those that were only in logs. Returns the answers that count for `answers`.

        These differ from `answers` if another worker saved its answers for the same records first.
        """
        adopted: AnswersById = {}
        unsaved = {**self._unsaved.pop(slice, {}), **answers}
        for number in count():
            rest = {id: answer for id, answer in unsaved.items() if id not in adopted}
            if not rest or self._store.create(self._file(slice, number), self._to_bytes(rest)):
                break
            # Another worker created this file: its answers count, and the rest goes into the next file.
            adopted = {**(self._read(self._file(slice, number)) or {}), **adopted}
        self._logs.pop(slice, None)  # the log is removed last: until the file exists, it is the only copy
        with suppress(StoreError):  # a worker that was given up may still append; a log that stays does no harm
            self._store.remove(f"{self._log_folder}/{slice}")
        return {id: adopted.get(id, answer) for id, answer in answers.items()}

    def _to_bytes(self, answers: AnswersById) -> bytes:
        blobs = Blobs()
        rows = [
            {"id": id, "answer": self._serialize_answer(given.answer, blobs), **given.cost._asdict()}
            for id, given in answers.items()
        ]
        sink = io.BytesIO()
        tables = (pa.Table.from_pylist(rows, _ROWS), pa.table({"blob": pa.array(blobs.items, pa.large_binary())}))
        for table in tables:
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
        body = sink.getvalue()
        return hashlib.sha256(body).digest() + body

    def _serialize_answer(self, answer: Any, blobs: Blobs) -> str:
        def serialize(fields: Mapping[str, Any]) -> str:
            return dump_fields(fields, catalogue=self._catalogue, blobs=blobs)

        if isinstance(answer, Reject):
            parts: Any = ["reject", answer.reason, answer.detail, serialize(answer.fields)]
        elif isinstance(answer, MadeRecords):
            parts = ["made", *([template, serialize(fields)] for template, fields in answer.items)]
        else:
            parts = ["fields", serialize(answer)]
        return json.dumps(parts)

    def _read(self, name: str) -> AnswersById | None:
        """The answers in a file; None if it does not exist, {} if it is damaged."""
        with suppress(StoreError):
            data = self._store.read(name)
            body = data[_DIGEST_BYTES:]
            if hashlib.sha256(body).digest() == data[:_DIGEST_BYTES]:
                with suppress(*_PARSE_ERRORS):
                    return self._from_bytes(body)
            self._add_fault(name)
            return {}
        return None

    def _add_fault(self, name: str) -> None:
        self.faults.append(f"{self._store.address}/{name} is damaged, so that its records are asked again")

    def _note_to_bytes(self, id: str, answer: CachedAnswer) -> bytes:
        """Encode one answer: a line of JSON, then the blobs that it refers to by index."""
        # Not Arrow as in `save`: a file of one row would cost as much time as calling the service.
        blobs = Blobs()
        text = self._serialize_answer(answer.answer, blobs)
        head = json.dumps([id, text, *answer.cost, [len(blob) for blob in blobs.items]])
        return b"".join([head.encode(), b"\n", *blobs.items])

    def _note_from_bytes(self, body: bytes) -> AnswersById:
        head, _, rest = body.partition(b"\n")
        id, text, *cost, sizes = json.loads(head)
        ends = list(accumulate(sizes))
        blobs = Blobs([rest[end - size : end] for size, end in zip(sizes, ends, strict=True)])
        return {id: CachedAnswer(self._parse_answer(json.loads(text), blobs), Cost(*cost))}

    def _from_bytes(self, body: bytes) -> AnswersById:
        source = pa.BufferReader(body)
        rows, blob_rows = (pa.ipc.open_stream(source).read_all() for _ in range(2))
        blobs = Blobs(blob_rows["blob"].to_pylist())
        return {
            row["id"]: CachedAnswer(
                self._parse_answer(json.loads(row["answer"]), blobs), Cost(row["seconds"], row["tokens"], row["usd"])
            )
            for row in rows.to_pylist()
        }

    def _parse_answer(self, parts: list[Any], blobs: Blobs) -> Any:
        kind, *rest = parts
        if kind == "reject":
            reason, detail, fields = rest
            return Reject(reason, detail, load_fields(fields, catalogue=self._catalogue, blobs=blobs))
        if kind == "made":
            return MadeRecords(
                tuple((template, load_fields(text, catalogue=self._catalogue, blobs=blobs)) for template, text in rest)
            )
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
_DIGEST_BYTES = 32
_PARSE_ERRORS = (pa.ArrowException, OSError, ValueError, LookupError, TypeError, RecursionError)
"""Errors of parsing content whose checksum is right, but whose form is wrong."""
