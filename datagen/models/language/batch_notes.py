"""What is known of batches that a server was given: kept before anyone waits for them, so that none goes up twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from datagen.core.errors import StoreError
from datagen.storage.store import Store


@dataclass
class Note:
    """One batch: what it asks, and how the server calls it."""

    name: str
    """Ours, different for each."""
    server: str
    keys: set[str] = field(default_factory=set)
    """The calls in it whose answers nobody has taken yet."""
    file: str = ""
    """The server's id of what went up; '' until it has."""
    batch: str = ""
    """The server's id of the batch; '' until there is one."""
    since: float = 0.0
    """When it was begun, in seconds of the clock; 0 where that was not noted."""


class Notes:
    """The batches of one server below one address, a file each; nowhere, if it is ''."""

    def __init__(self, address: str, server: str) -> None:
        self._store = Store(f"{address}/batches") if address else None
        self._server = server

    async def all(self) -> list[Note]:
        """What runs before this one left behind, and what other workers wait for. Raises `StoreError`."""
        return await asyncio.to_thread(lambda: list(self._read())) if self._store else []

    async def write(self, note: Note) -> None:
        """Keep what is known of a batch now. Raises `StoreError`."""
        if self._store:
            told = json.dumps({**vars(note), "keys": sorted(note.keys)})
            await asyncio.to_thread(self._store.write, _path(note.name), told.encode())

    async def take(self, note: Note, keys: Collection[str]) -> None:
        """Their answers are kept, or were of no use: they are not to be had from this batch again."""
        note.keys -= set(keys)
        if note.keys:
            await self.write(note)
        elif self._store:
            await asyncio.to_thread(self._store.remove, _path(note.name))

    def _read(self) -> Iterator[Note]:
        assert self._store is not None
        for name in self._store.names(""):
            if not name.endswith(_SUFFIX):
                continue
            with suppress(StoreError, ValueError, TypeError, KeyError):  # taken meanwhile, or not what `write` wrote
                told = json.loads(self._store.read(name))
                note = Note(**{**told, "keys": set(told["keys"])})
                if note.server == self._server:
                    yield note


_SUFFIX = ".json"


def _path(name: str) -> str:
    return f"{name}{_SUFFIX}"
