"""Small pieces of data, kept one by one under keys, by many processes at once.

To make a file costs several times what it costs to add to the end of one (benchmarks/notes.py). So each writer adds
to a log of its own there, and readers follow the logs of all. An object store cannot add to a file: there each note is
a file. Both are read wherever they are, so that a folder may be copied from one to the other.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, NamedTuple

from datagen.core.errors import StoreError
from datagen.storage.store import Store

LOG = "log-"
"""How names of logs begin; 32 hexadecimal digits follow."""
_NAME = re.compile(rf"{LOG}[0-9a-f]{{32}}|[0-9a-f]{{64}}")
_MAGIC = b"\xf5note\r\n\x00"
_HEAD = struct.Struct("<8s32sQQ16s")
_CHECK = struct.Struct("<I")
"""An entry of a log, or a file, is a `_Head`, its CRC-32, and the note."""
_BEFORE = _HEAD.size + _CHECK.size
_PIECE = 1 << 16
"""Bytes in which the next note is looked for at once."""
_LOGS = 1 << 20
_REST = 100
"""Times as long as it took to look for what others added, before it is looked for again; and seconds, at the most."""
_LONGEST_REST_S = 2.0
_NEVER = float("-inf")


class Note(NamedTuple):
    """A note, and the file that holds it."""

    file: str
    data: bytes | None
    """None where it is damaged."""


class _Head(NamedTuple):
    """What stands in front of each note: all but the checksum of itself."""

    magic: bytes
    key: bytes
    stamp: int
    """Nanoseconds since 1970; of several notes under one key the last one counts."""
    size: int
    """Bytes of the note, 0 where what was under the key is let go."""
    digest: bytes
    """The first half of the note's SHA-256."""


class Notes:
    """The notes of one folder of a store, or of all of it if that is ''; any thread may ask.

    Keys are 64 hexadecimal digits, a note is at least one byte. A damaged one counts as not there.
    """

    def __init__(self, store: Store, folder: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._own = threading.local()
        """Log of a thread, and where it ends: on a slow share threads write side by side."""
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._places: dict[bytes, int] = {}
        """Where each key's last note begins, and in which of `_logs`; packed, as there may be millions."""
        self._logs: list[str] = []
        self._numbers: dict[str, int] = {}
        """Of the logs."""
        self._known: dict[str, int] = {}
        """Bytes of each log that are in `_places`."""
        self._files: set[str] = set()
        """Names of notes that are files, where a folder was copied to a disk."""
        self._look_at = _NEVER

    def add(self, key: str, data: bytes) -> None:
        """Keep a note; a reader sees it whole or not at all. Raises `StoreError`."""
        self._put(key, data)

    def find(self, key: str) -> bytes | None:
        """The note, None if there is none. What others add is found within two seconds. Raises `StoreError`."""
        found = self._found(bytes.fromhex(key))
        return found[1] or None if found else None

    def forget(self, key: str) -> None:
        """Let go of what was added under a key; others that knew it may find it still. Raises `StoreError`."""
        self._put(key, b"")

    def look(self) -> None:
        """Learn at once of all that others have added. Raises `StoreError`."""
        with self._looking:
            self._look_at = _NEVER
            self._look()

    def all(self) -> Iterator[Note]:
        """Every note that was ever added, in no order that means anything; what is damaged too. Raises `StoreError`."""
        for name in filter(_NAME.fullmatch, self._store.names(self._folder)):
            path = self._path(name)
            with self._unless_removed(path), self._reading(path) as file:
                for head, end in _heads(file, 0):
                    data = _data(file, head) if head else None
                    if data != b"":
                        yield Note(path, data)
                    file.seek(end)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    def _put(self, key: str, data: bytes) -> None:
        """Add a note that counts more than those that are known of its key, whatever their writers' clocks said."""
        name = bytes.fromhex(key)
        known = self._seen(name) if name in self._places or key in self._files else None
        entry = _entry(name, data, stamp=max(time.time_ns(), known[0].stamp + 1 if known else 0))
        if not self._store.appends:
            self._store.write(self._path(key), entry)
            return
        log, start = self._append(entry)
        with self._lock:
            self._places[name] = self._place(log, start)
            self._known[log] = start + len(entry)

    def _append(self, entry: bytes) -> tuple[str, int]:
        """Add to this thread's log, or to a new one if it is not as this thread left it: which one, and where."""
        log, end = getattr(self._own, "log", ("", 0))
        try:
            start = self._store.append(self._path(log), entry) if log else -1
            if start != end or not log:
                log = f"{LOG}{uuid.uuid4().hex}"
                start = self._store.append(self._path(log), entry)
        except StoreError:
            self._own.log = ("", 0)  # half of it may be there, at the end
            raise
        self._own.log = (log, start + len(entry))
        return log, start

    def _place(self, log: str, start: int) -> int:
        if log not in self._numbers:
            self._numbers[log] = len(self._logs)
            self._logs.append(log)
        return start * _LOGS + self._numbers[log]

    def _found(self, key: bytes) -> tuple[_Head, bytes] | None:
        """The last note of a key, after a look at what others added if none is known and a look is due."""
        found = self._seen(key)
        is_due = (found is None or not found[1]) and self._clock() >= self._look_at
        if is_due and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._looking.release()
            found = self._seen(key)
        return found

    def _seen(self, key: bytes) -> tuple[_Head, bytes] | None:
        """The last note of a key, as far as is known."""
        ways = (self._at(key), self._in_a_file(key))
        return max((found for found in ways if found), key=lambda found: found[0].stamp, default=None)

    def _in_a_file(self, key: bytes) -> tuple[_Head, bytes] | None:
        if key.hex() in self._files or not self._store.appends:
            raw = self._store.find(self._path(key.hex()))
            return _note(io.BytesIO(raw), key) if raw else None
        return None

    def _at(self, key: bytes) -> tuple[_Head, bytes] | None:
        """What is where a key's last note was seen in a log."""
        place = self._places.get(key)
        if place is None:
            return None
        start, number = divmod(place, _LOGS)
        path, found = self._path(self._logs[number]), None
        with self._unless_removed(path), self._reading(path) as file:
            file.seek(start)
            found = _note(file, key)
        return found  # noqa: RET504 - None where it was removed

    @contextmanager
    def _reading(self, path: str) -> Iterator[IO[bytes]]:
        """A file to read, any error of which is a `StoreError`, as where a share says that it is gone."""
        with self._store.reading(path) as file:
            try:
                yield file
            except OSError as error:
                raise StoreError(f"{self._store.address}/{path} cannot be read: {error}") from error

    @contextmanager
    def _unless_removed(self, path: str) -> Iterator[None]:
        """Passes over what cannot be read as it is not there any more."""
        try:
            yield
        except StoreError:
            if self._store.exists(path):
                raise

    def _look(self) -> None:
        """Follow the logs of others, which is due again after a while; where logs cannot grow, never."""
        began, appends = self._clock(), self._store.appends
        if appends and self._look_at == _NEVER:  # files are there only where they were copied to a disk
            self._files.update(self._store.names_from(self._folder, prefix=""))
        known = self._store.names_from(self._folder, prefix=LOG) if not appends else ()
        sizes = self._store.sizes_from(self._folder, prefix=LOG) if appends else dict.fromkeys(known, 1)
        for name, size in sizes.items():
            if size > self._known.get(name, 0):
                with self._unless_removed(self._path(name)):
                    self._follow(name)
        took = self._clock() - began
        self._look_at = began + took + (min(_REST * took, _LONGEST_REST_S) if appends else float("inf"))

    def _follow(self, log: str) -> None:
        with self._reading(self._path(log)) as file:
            for head, end in _heads(file, self._known.get(log, 0)):
                if head is None:
                    continue
                known, before = self._places.get(head.key), self._at(head.key)
                with self._lock:
                    is_last = before is None or before[0].stamp < head.stamp
                    if is_last and self._places.get(head.key) == known:
                        self._places[head.key] = self._place(log, end - head.size - _BEFORE)
                    self._known[log] = max(end, self._known.get(log, 0))


def _entry(key: bytes, data: bytes, *, stamp: int) -> bytes:
    head = _HEAD.pack(_MAGIC, key, stamp, len(data), _digest(data))
    return head + _CHECK.pack(zlib.crc32(head)) + data


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


def _head(raw: bytes) -> _Head | None:
    """What stands in front of a note; None where that is damaged."""
    if len(raw) < _BEFORE or _CHECK.unpack_from(raw, _HEAD.size)[0] != zlib.crc32(raw[: _HEAD.size]):
        return None
    return _Head(*_HEAD.unpack_from(raw))


def _data(file: IO[bytes], head: _Head) -> bytes | None:
    """The note itself, at which the file stands; None where it is damaged."""
    data = file.read(head.size)
    return data if len(data) == head.size and _digest(data) == head.digest else None


def _note(file: IO[bytes], key: bytes) -> tuple[_Head, bytes] | None:
    """The note of a key, where the file stands; None if something else is there by now, or damage."""
    head = _head(file.read(_BEFORE))
    data = _data(file, head) if head and head.key == key else None
    return (head, data) if head and data is not None else None


def _heads(file: IO[bytes], start: int) -> Iterator[tuple[_Head | None, int]]:
    """What stands in front of each note from a byte on, the file behind it, and where the note ends.

    None where something is damaged, which is passed over; an end that is not whole yet is left.
    """
    whole = file.seek(0, 2)
    at = file.seek(start)
    while whole - at >= _BEFORE:
        head = _head(file.read(_BEFORE))
        end = at + _BEFORE + head.size if head else _next(file, at + 1, whole)
        if end > whole:
            return
        yield head, end
        at = file.seek(end)


def _next(file: IO[bytes], at: int, whole: int) -> int:
    """Where the next note may begin."""
    while at < whole:
        file.seek(at)
        piece = file.read(_PIECE)
        if (found := piece.find(_MAGIC)) >= 0:
            return at + found
        at += max(1, len(piece) - len(_MAGIC) + 1)
    return whole
