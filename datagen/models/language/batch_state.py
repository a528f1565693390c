"""The stored state of batches. It is stored before anyone waits for a batch, so that none is uploaded twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from datagen.core.errors import StoreError
from datagen.storage.store import Store


@dataclass
class BatchState:
    """One batch: the keys of its calls, and its ids at the server. Its fields are the keys of the JSON file."""

    name: str
    """Our own id, which is also the name of the file."""
    server: str
    keys: set[str] = field(default_factory=set)
    """The calls whose answers were not collected yet."""
    file: str = ""
    """The server's id of the uploaded file; '' before the upload."""
    batch: str = ""
    """The server's id of the batch; '' before it is created."""
    since: float = 0.0
    """When it was begun, in Unix seconds; 0 in files without it."""


class BatchStateStore:
    """The batches of one server, one file each, in `batches/` below an address; stored nowhere if it is ''."""

    def __init__(self, address: str, server: str) -> None:
        self._store = Store(f"{address}/batches") if address else None
        self._server = server

    async def all(self) -> list[BatchState]:
        """The batches of earlier runs and of other workers. Raises `StoreError`."""
        return await asyncio.to_thread(lambda: list(self._read())) if self._store else []

    async def write(self, state: BatchState) -> None:
        """Store the state of a batch. Raises `StoreError`."""
        if self._store:
            text = json.dumps({**vars(state), "keys": sorted(state.keys)})
            await asyncio.to_thread(self._store.write, _path(state.name), text.encode())

    async def take(self, state: BatchState, keys: Collection[str]) -> None:
        """Remove calls whose answers were collected, or were of no use. Without calls the file is removed."""
        state.keys -= set(keys)
        if state.keys:
            await self.write(state)
        elif self._store:
            await asyncio.to_thread(self._store.remove, _path(state.name))

    def _read(self) -> Iterator[BatchState]:
        assert self._store is not None
        for name in self._store.names(""):
            if not name.endswith(_SUFFIX):
                continue
            with suppress(StoreError, ValueError, TypeError, KeyError):  # removed meanwhile, or not written by `write`
                fields = json.loads(self._store.read(name))
                state = BatchState(**{**fields, "keys": set(fields["keys"])})
                if state.server == self._server:
                    yield state


_SUFFIX = ".json"


def _path(name: str) -> str:
    return f"{name}{_SUFFIX}"
