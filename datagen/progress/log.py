"""`run/log` in OUT: the messages of its runs, each line with the time, without secrets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from datagen.core.redact import escape_control, redact
from datagen.storage.store import Store

LOG = "run/log"
MOST_BYTES = 2_000_000
KEPT_BYTES = 1_500_000
"""A log longer than `MOST_BYTES` is cut to about this many bytes at its end."""
SECONDS_BETWEEN_WRITES = 30.0
"""Where files cannot be appended to, as on S3, the whole log is written, at most this often."""


class RunLog:
    """The log of one OUT; each run appends to it. No file is created before the first line."""

    def __init__(self, address: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._address = address
        self._now = now
        self._store: Store | None = None
        self._local = True
        self._bytes = b""
        self._written: datetime | None = None

    @property
    def begun(self) -> bool:
        """Whether this run has written a line."""
        return self._store is not None

    def write(self, text: str) -> None:
        """Append text, each line with the time. Raises `StoreError` if the log cannot be written."""
        stamp = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        lines = [escape_control(entry) for entry in redact(text).splitlines() if entry.strip()]
        # backslashreplace: an id may hold lone surrogates
        data = "".join(f"{stamp} {entry}\n" for entry in lines).encode("utf-8", "backslashreplace")
        if self._store is None:
            self._store = self._opened()
        if self._local:
            self._append(self._store, data)
        else:
            self._bytes = _cut(self._bytes + data)
            if self._written is None or (self._now() - self._written).total_seconds() >= SECONDS_BETWEEN_WRITES:
                self.flush()

    def flush(self) -> None:
        """Write lines that are not yet stored. Raises `StoreError`."""
        if self._store is not None and not self._local:
            self._written = self._now()
            self._store.write(LOG, self._bytes)

    def _opened(self) -> Store:
        store = Store(self._address)
        self._local = store.appends
        if not self._local and store.exists(LOG):
            self._bytes = store.read(LOG)
        return store

    def _append(self, store: Store, data: bytes) -> None:
        start = store.append(LOG, data)
        if start + len(data) > MOST_BYTES:
            store.write(LOG, _cut(store.read(LOG)))


def _cut(data: bytes) -> bytes:
    """The last whole lines, if the log is too long."""
    return data if len(data) <= MOST_BYTES else data[-KEPT_BYTES:].partition(b"\n")[2]
