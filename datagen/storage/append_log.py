"""A key-value store of small entries in append-only logs, for many processes that read and write at once.

Creating a file costs several times as much as appending to one (benchmarks/append_log.py). So each thread that writes
has a log file of its own in the folder, and readers follow the logs of all. An object store cannot append: there each
entry is a file. Readers understand both forms everywhere, so a folder may be copied from a disk to a bucket and back.
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
"""Prefix of the names of log files; 32 hexadecimal digits follow."""
_NAME = re.compile(rf"{LOG}[0-9a-f]{{32}}|[0-9a-f]{{64}}")
_MAGIC = b"\xf5note\r\n\x00"
_HEADER = struct.Struct("<8s32sQQ16s")
_CRC = struct.Struct("<I")
"""An entry, in a log or as a file, is an `_EntryHeader`, the CRC-32 of the header, and the data."""
_HEADER_BYTES = _HEADER.size + _CRC.size
_PIECE = 1 << 16
"""Bytes that are read at once when the next entry is searched for behind damage."""
_LOGS = 1 << 20
"""A position is `offset * _LOGS + number of the log`: one integer an entry, as there may be millions of entries."""
_PAUSE_FACTOR = 100
"""After a refresh, the pause is this many times as long as it took: readers spend at most a hundredth of their time on
it, also on a slow share."""
_LONGEST_PAUSE_S = 2.0
_NEVER = float("-inf")


class LogEntry(NamedTuple):
    """The data of one entry, and the file that holds it."""

    file: str
    data: bytes | None
    """None if the entry is damaged."""


class _EntryHeader(NamedTuple):
    """The header of an entry, without its own checksum."""

    magic: bytes
    key: bytes
    stamp: int
    """Nanoseconds since 1970; of several entries with one key, the one with the largest stamp counts."""
    size: int
    """Bytes of the data; 0 marks that the key was removed."""
    digest: bytes
    """The first 16 bytes of the data's SHA-256."""


class AppendLog:
    """The entries in one folder of a store; '' is the store's root. Safe to use from several threads.

    A key is 64 hexadecimal digits, the data at least one byte. A damaged entry counts as missing.
    """

    def __init__(self, store: Store, folder: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._folder = folder
        self._clock = clock
        self._own = threading.local()
        """The thread's log and its length. One log a thread, so that threads write in parallel on a slow share."""
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()
        self._positions: dict[bytes, int] = {}
        """Position of each key's last entry, packed as at `_LOGS`."""
        self._logs: list[str] = []
        self._numbers: dict[str, int] = {}
        """Index of each name in `_logs`."""
        self._read_to: dict[str, int] = {}
        """Bytes of each log whose entries are in `_positions`."""
        self._files: set[str] = set()
        """Keys of the entries that are files, in a folder that was copied from an object store to a disk."""
        self._refresh_at = _NEVER

    def add(self, key: str, data: bytes) -> None:
        """Write an entry. A reader sees the whole of it or nothing. Raises `StoreError`."""
        self._put(key, data)

    def find(self, key: str) -> bytes | None:
        """The data of a key; None if there is none. Finds what other processes added two seconds ago or earlier.

        Raises `StoreError`.
        """
        found = self._find(bytes.fromhex(key))
        return found[1] or None if found else None

    def forget(self, key: str) -> None:
        """Remove a key. Processes that have read the old entry may still find it. Raises `StoreError`."""
        self._put(key, b"")

    def refresh(self) -> None:
        """Read now what other processes have added. Raises `StoreError`."""
        with self._refreshing:
            self._refresh_at = _NEVER
            self._refresh()

    def entries(self) -> Iterator[LogEntry]:
        """All entries that were ever added, damaged ones too, in no particular order. Raises `StoreError`."""
        for name in filter(_NAME.fullmatch, self._store.names(self._folder)):
            path = self._path(name)
            with self._unless_removed(path), self._reading(path) as file:
                for head, end in _scan(file, 0):
                    data = _read_data(file, head) if head else None
                    if data != b"":
                        yield LogEntry(path, data)
                    file.seek(end)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}" if self._folder else name

    def _put(self, key: str, data: bytes) -> None:
        """Add an entry that is newer than all known entries of its key, even if another machine's clock runs ahead."""
        name = bytes.fromhex(key)
        known = self._newest(name) if name in self._positions or key in self._files else None
        entry = _encode_entry(name, data, stamp=max(time.time_ns(), known[0].stamp + 1 if known else 0))
        if not self._store.appends:
            self._store.write(self._path(key), entry)
            return
        log, start = self._append(entry)
        with self._lock:
            self._positions[name] = self._position(log, start)
            self._read_to[log] = start + len(entry)

    def _append(self, entry: bytes) -> tuple[str, int]:
        """Append to this thread's log, and return its name and the offset.

        The thread starts a new log if the old one is not as long as the thread left it, as where it was removed.
        """
        log, end = getattr(self._own, "log", ("", 0))
        try:
            start = self._store.append(self._path(log), entry) if log else -1
            if start != end or not log:
                log = f"{LOG}{uuid.uuid4().hex}"
                start = self._store.append(self._path(log), entry)
        except StoreError:
            self._own.log = ("", 0)  # the log may end with half of the entry
            raise
        self._own.log = (log, start + len(entry))
        return log, start

    def _position(self, log: str, start: int) -> int:
        if log not in self._numbers:
            self._numbers[log] = len(self._logs)
            self._logs.append(log)
        return start * _LOGS + self._numbers[log]

    def _find(self, key: bytes) -> tuple[_EntryHeader, bytes] | None:
        """The newest entry of a key. If none is known and a refresh is due, refresh first."""
        found = self._newest(key)
        is_due = (found is None or not found[1]) and self._clock() >= self._refresh_at
        if is_due and self._refreshing.acquire(blocking=False):  # one thread refreshes, the others do not wait for it
            try:
                self._refresh()
            finally:
                self._refreshing.release()
            found = self._newest(key)
        return found

    def _newest(self, key: bytes) -> tuple[_EntryHeader, bytes] | None:
        """The newest entry of a key that this process knows of."""
        both = (self._in_log(key), self._in_file(key))
        return max((found for found in both if found), key=lambda found: found[0].stamp, default=None)

    def _in_file(self, key: bytes) -> tuple[_EntryHeader, bytes] | None:
        if key.hex() in self._files or not self._store.appends:
            raw = self._store.find(self._path(key.hex()))
            return _read_entry(io.BytesIO(raw), key) if raw else None
        return None

    def _in_log(self, key: bytes) -> tuple[_EntryHeader, bytes] | None:
        """The entry at a key's last known position in a log; None if something else is there now."""
        position = self._positions.get(key)
        if position is None:
            return None
        start, number = divmod(position, _LOGS)
        path, found = self._path(self._logs[number]), None
        with self._unless_removed(path), self._reading(path) as file:
            file.seek(start)
            found = _read_entry(file, key)
        return found  # noqa: RET504 - None where it was removed

    @contextmanager
    def _reading(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file to read; every `OSError`, such as a stale file handle of a share, becomes a `StoreError`."""
        with self._store.reading(path) as file:
            try:
                yield file
            except OSError as error:
                raise StoreError(f"{self._store.address}/{path} cannot be read: {error}") from error

    @contextmanager
    def _unless_removed(self, path: str) -> Iterator[None]:
        """Ignore a `StoreError` if the file does not exist any more: somebody removed it meanwhile."""
        try:
            yield
        except StoreError:
            if self._store.exists(path):
                raise

    def _refresh(self) -> None:
        """Read the new part of all logs, and set when the next refresh is due: never where files cannot grow."""
        began, appends = self._clock(), self._store.appends
        if appends and self._refresh_at == _NEVER:  # on a disk, entries are files only if the folder was copied there
            self._files.update(self._store.names_from(self._folder, prefix=""))
        if appends:
            sizes = self._store.sizes_from(self._folder, prefix=LOG)
        else:
            sizes = dict.fromkeys(self._store.names_from(self._folder, prefix=LOG), 1)
        for name, size in sizes.items():
            if size > self._read_to.get(name, 0):
                with self._unless_removed(self._path(name)):
                    self._follow(name)
        took = self._clock() - began
        pause = min(_PAUSE_FACTOR * took, _LONGEST_PAUSE_S) if appends else float("inf")
        self._refresh_at = began + took + pause

    def _follow(self, log: str) -> None:
        """Read the entries that were added to a log."""
        with self._reading(self._path(log)) as file:
            for head, end in _scan(file, self._read_to.get(log, 0)):
                if head is None:
                    continue
                known, before = self._positions.get(head.key), self._in_log(head.key)
                with self._lock:
                    is_newest = before is None or before[0].stamp < head.stamp
                    # Another thread may have added an entry of this key since `known` was read.
                    if is_newest and self._positions.get(head.key) == known:
                        self._positions[head.key] = self._position(log, end - head.size - _HEADER_BYTES)
                    self._read_to[log] = max(end, self._read_to.get(log, 0))


def _encode_entry(key: bytes, data: bytes, *, stamp: int) -> bytes:
    head = _HEADER.pack(_MAGIC, key, stamp, len(data), _digest(data))
    return head + _CRC.pack(zlib.crc32(head)) + data


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]


def _parse_header(raw: bytes) -> _EntryHeader | None:
    """The header of an entry; None if it is damaged."""
    if len(raw) < _HEADER_BYTES or _CRC.unpack_from(raw, _HEADER.size)[0] != zlib.crc32(raw[: _HEADER.size]):
        return None
    return _EntryHeader(*_HEADER.unpack_from(raw))


def _read_data(file: IO[bytes], head: _EntryHeader) -> bytes | None:
    """The data of an entry, from the file's current position; None if it is damaged."""
    data = file.read(head.size)
    return data if len(data) == head.size and _digest(data) == head.digest else None


def _read_entry(file: IO[bytes], key: bytes) -> tuple[_EntryHeader, bytes] | None:
    """The entry of `key` at the file's current position; None if it is damaged or of another key."""
    head = _parse_header(file.read(_HEADER_BYTES))
    data = _read_data(file, head) if head and head.key == key else None
    return (head, data) if head and data is not None else None


def _scan(file: IO[bytes], start: int) -> Iterator[tuple[_EntryHeader | None, int]]:
    """The header of each entry from offset `start` on, and where the entry ends. The file stands behind the header.

    None instead of a header for a damaged part, which is skipped. Stops before an entry whose end is not written yet.
    """
    whole = file.seek(0, 2)
    at = file.seek(start)
    while whole - at >= _HEADER_BYTES:
        head = _parse_header(file.read(_HEADER_BYTES))
        end = at + _HEADER_BYTES + head.size if head else _find_magic(file, at + 1, whole)
        if end > whole:
            return
        yield head, end
        at = file.seek(end)


def _find_magic(file: IO[bytes], at: int, whole: int) -> int:
    """The offset at or after `at` where the next entry may begin; `whole` if there is none."""
    while at < whole:
        file.seek(at)
        piece = file.read(_PIECE)
        if (found := piece.find(_MAGIC)) >= 0:
            return at + found
        at += max(1, len(piece) - len(_MAGIC) + 1)
    return whole
