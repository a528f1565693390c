"""What services replied, kept by what they were asked, so that nothing is paid for twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from pydantic_core import PydanticSerializationError, to_json

from datagen.storage.append_log import AppendLog
from datagen.storage.io_offload import IoOffloader
from datagen.storage.store import Store


class Said(NamedTuple):
    """The text of one reply, and the tokens that it took."""

    text: str
    tokens_in: int
    tokens_out: int
    cut: bool
    """Whether it broke off at `max_tokens`."""


class Replies:
    """Replies below one address, known from the start; nowhere, if it is ''. All of a process share what they know."""

    def __init__(self, address: str) -> None:
        self._notes = _notes_at(address) if address else None
        self._offloader = IoOffloader()

    def close(self) -> None:
        """Let its threads go."""
        self._offloader.close()

    async def find(self, key: str) -> Said | None:
        """What was kept; None if nothing was, or if it was damaged since. Raises `StoreError`."""
        return await self._offloader.run(partial(self._found, key)) if self._notes else None

    async def keep(self, key: str, said: Said) -> None:
        """Keep a reply; a reader sees it whole or not at all. Raises `StoreError`."""
        if self._notes:
            await self._offloader.run(partial(self._notes.add, key, bytes_of(said._asdict())))

    async def forget(self, keys: Sequence[str]) -> None:
        """Let go of replies that were of no use, so that a retry asks again. Raises `StoreError`."""
        if self._notes:
            for key in keys:
                await self._offloader.run(partial(self._notes.forget, key))

    async def look(self) -> None:
        """Learn at once of what other workers kept, rather than within moments. Raises `StoreError`."""
        if self._notes:
            await asyncio.to_thread(self._notes.refresh)

    def _found(self, key: str) -> Said | None:
        assert self._notes is not None
        if data := self._notes.find(key):
            with suppress(ValueError, TypeError):  # not what `keep` wrote
                return Said(**json.loads(data))
        return None


_NOTES: WeakValueDictionary[str, AppendLog] = WeakValueDictionary()
_LOCK = threading.Lock()


def _notes_at(address: str) -> AppendLog:
    """The notes there, looked through once in a process."""
    with _LOCK:
        notes = _NOTES.get(address)
        if notes is None:
            notes = _NOTES[address] = AppendLog(Store(address), "")
            notes.refresh()
        return notes


def bytes_of(value: Any) -> bytes:
    """Plain data as JSON, the same for the same data in the same order."""
    try:
        return to_json(value)
    except PydanticSerializationError:  # half a character, which is no text
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def key_of(call: bytes, *, weights: str, draw: Sequence[str | int]) -> str:
    """A hash of all that decides a reply: the call with its pictures as JSON, what pins the weights, and the draw."""
    digest = hashlib.sha256(call)
    digest.update(bytes_of([weights, list(draw)]))
    return digest.hexdigest()
