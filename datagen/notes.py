"""Small pieces of data, kept one by one under keys, by many processes at once.

To make a file costs several times what it costs to add to the end of one (benchmarks/notes.py). So each writer adds
to a log of its own there, and readers follow the logs of all. An object store cannot add to a file: there each note is
a file. Both are read wherever they are, so that a folder may be copied from one to the other.
"""

from __future__ import annotations

import re
import struct
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

from datagen.errors import StoreError
from datagen.store import Store

LOG = "log-"
"""How names of logs begin; 32 hexadecimal digits follow."""
_NOTE, _GONE = b"\xf5note\r\n\x00", b"\xf5gone\r\n\x00"
_KIND = re.compile(b"\xf5(note|gone)\r\n\x00")
_HEAD = struct.Struct("<8s32sQ")
_CHECK = struct.Struct("<I")
"""An entry of a log begins with its kind, its key, how many bytes follow, and a checksum of these."""
_BEFORE = _HEAD.size + _CHECK.size
_AT_ONCE = 1 << 24
"""Bytes of a log that are read at once."""
_REST = 100
"""Times as long as it took to look for what others added, before it is looked for again."""


class Note(NamedTuple):
    """A note, and the file that holds it."""

    file: str
    data: bytes


class _Place(NamedTuple):
    log: str
    start: int
    """The byte at which the data begins."""
    size: int
    before: _Place | None
    """Another one of the same key."""


class _Entry(NamedTuple):
    kind: bytes
    key: bytes
    start: int
    """As in `_Place`."""
    data: bytes


class Notes:
    """The notes of one folder of a store, or of all of it if that is ''; any thread may ask.

    Keys are 64 hexadecimal digits, a note is at least one byte; of several under one key, any may be found.
    Whoever reads a note checks it: where a disk damaged it, other bytes come back.
    """

    def __init__(self, store: Store, folder: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._own = _new_log()
        self._places: dict[bytes, _Place] = {}
        self._known: dict[str, int] = {}
        """Bytes of each log that are in `_places`."""
        self._gone: set[tuple[str, int]] = set()
        """Log and start of the notes that were let go."""
        self._files: set[str] = set()
        """Names of notes that are files, where a folder was copied to a disk."""
        self._look_at = float("-inf")

    def add(self, key: str, data: bytes) -> None:
        """Keep a note; a reader sees it whole or not at all. Raises `StoreError`."""
        if not self._store.appends:
            self._store.write(self._path(key), data)
            return
        with self._lock:
            start = self._append(_NOTE, bytes.fromhex(key), data)
            self._enter(bytes.fromhex(key), self._own, start, len(data))

    def find(self, key: str) -> bytes | None:
        """The note; None if there is none. What others add is found within moments. Raises `StoreError`."""
        found = self._in_logs(key) if self._store.appends else None
        if found is None:
            found = self._in_a_file(key)
        if found is None and not self._store.appends:
            found = self._in_logs(key)
        return found or None

    def forget(self, key: str) -> None:
        """Let all go that was added under a key. Those who knew it may find it still. Raises `StoreError`."""
        with self._lock:
            self._look()
            place = known = self._places.pop(bytes.fromhex(key), None)
            while place and self._store.appends:
                self._append(_GONE, bytes.fromhex(key), f"{place.log} {place.start}".encode())
                self._gone.add((place.log, place.start))
                place = place.before
        if known and not self._store.appends:
            self._store.write(self._path(key), b"")  # over the one in a log, which cannot be changed here
        else:
            self._store.remove_files([self._path(key)])

    def all(self) -> Iterator[Note]:
        """Every note that was ever added, in no order that means anything. Raises `StoreError`."""
        for name in self._store.names(self._folder):
            path = self._path(name)
            with suppress(StoreError):  # removed meanwhile
                if name.startswith(LOG):
                    yield from (Note(path, entry.data) for entry in self._entries(name, 0) if entry.kind == _NOTE)
                else:
                    yield Note(path, self._store.read(path))

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    def _append(self, kind: bytes, key: bytes, data: bytes) -> int:
        """Add an entry to this writer's log; the byte at which its data begins."""
        try:
            head = _HEAD.pack(kind, key, len(data))
            entry = head + _CHECK.pack(zlib.crc32(head)) + data
            return self._store.append(self._path(self._own), entry) + _BEFORE
        except StoreError:
            self._own = _new_log()  # half of it may be there, at the end
            raise

    def _in_a_file(self, key: str) -> bytes | None:
        return self._store.find(self._path(key)) if key in self._files or not self._store.appends else None

    def _in_logs(self, key: str) -> bytes | None:
        with self._lock:
            if bytes.fromhex(key) not in self._places and self._clock() >= self._look_at:
                self._look()
            place = self._places.get(bytes.fromhex(key))
        if place:
            with suppress(StoreError):  # its log was removed
                return self._store.read_part(self._path(place.log), start=place.start, size=place.size)
        return None

    def _look(self) -> None:
        """Follow the logs of others, which is due again after a while; never where logs cannot grow."""
        began = self._clock()
        names = self._store.names_from(self._folder, prefix="" if self._store.appends else LOG)
        for name in names:
            if name.startswith(LOG) and name != self._own:
                with suppress(StoreError):  # removed meanwhile
                    self._follow(name)
        self._files.update(name for name in names if not name.startswith(LOG))
        now = self._clock()
        self._look_at = now + _REST * (now - began) if self._store.appends else float("inf")

    def _follow(self, log: str) -> None:
        for kind, key, start, data in self._entries(log, self._known.get(log, 0)):
            if kind == _NOTE and (log, start) not in self._gone:
                self._enter(key, log, start, len(data))
            elif kind == _GONE:
                self._let_go(key, data)
            self._known[log] = start + len(data)

    def _let_go(self, key: bytes, place: bytes) -> None:
        """A note that was let go is so whichever log is read first."""
        log, _, start = place.decode("ascii", "replace").partition(" ")
        if not start.isdecimal():
            return
        self._gone.add((log, int(start)))
        known = self._places.pop(key, None)
        while known:
            if known[:2] != (log, int(start)):
                self._enter(key, *known[:3])
            known = known.before

    def _enter(self, key: bytes, log: str, start: int, size: int) -> None:
        self._places[key] = _Place(log, start, size, self._places.get(key))

    def _entries(self, log: str, start: int) -> Iterator[_Entry]:
        """What a log holds from a byte on; damage is passed over, and an end that is not whole yet is left."""
        size = _AT_ONCE
        while chunk := self._store.read_part(self._path(log), start=start, size=size):
            used = 0
            for entry in _parsed(chunk):
                used = entry.start + len(entry.data)
                yield entry._replace(start=start + entry.start)
            start += used
            if not used and len(chunk) < size:
                return
            size = size if used else size * 2


def _parsed(chunk: bytes) -> Iterator[_Entry]:
    """The entries of a piece of a log that are whole; what is damaged is passed over."""
    at = 0
    while len(chunk) - at >= _BEFORE:
        kind, key, size = _HEAD.unpack_from(chunk, at)
        if _CHECK.unpack_from(chunk, at + _HEAD.size) != (zlib.crc32(chunk[at : at + _HEAD.size]),):
            found = _KIND.search(chunk, at + 1)
            at = found.start() if found else len(chunk)
            continue
        start = at + _BEFORE
        at = start + size
        if at > len(chunk):
            return
        yield _Entry(kind, key, start, chunk[start:at])


def _new_log() -> str:
    return f"{LOG}{uuid.uuid4().hex}"
