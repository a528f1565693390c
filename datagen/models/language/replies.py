"""Stored replies of services, by a hash of the call, so that no call is paid for twice."""

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

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json

from datagen.core.redact import redact_values
from datagen.storage.append_log import AppendLog
from datagen.storage.io_offload import IoOffloader
from datagen.storage.store import Store


class RawReply(NamedTuple):
    """The text of one reply, and its tokens. The field names are the JSON keys of the stored reply."""

    text: str
    tokens_in: int
    tokens_out: int
    cut: bool
    """Whether it was cut off at `max_tokens`."""


class Replies:
    """The stored replies below one address; with the address '' nothing is stored.

    All instances of a process share one index, which is read at the start.
    """

    def __init__(self, address: str) -> None:
        self._notes = _notes_at(address) if address else None
        self._offloader = IoOffloader()

    def close(self) -> None:
        """End its threads."""
        self._offloader.close()

    async def find(self, key: str) -> RawReply | None:
        """A stored reply; None if there is none, or if it is damaged. Raises `StoreError`."""
        return await self._offloader.run(partial(self._found, key)) if self._notes else None

    async def keep(self, key: str, reply: RawReply) -> None:
        """Store a reply. A reader gets it whole or not at all. Raises `StoreError`."""
        if self._notes:
            reply = reply._replace(text=redact_values(reply.text))
            await self._offloader.run(partial(self._notes.add, key, json_bytes(reply._asdict())))

    async def forget(self, keys: Sequence[str]) -> None:
        """Remove replies that were of no use, so that a retry calls again. Raises `StoreError`."""
        if self._notes:
            for key in keys:
                await self._offloader.run(partial(self._notes.forget, key))

    async def refresh(self) -> None:
        """Read now what other workers stored, instead of within moments. Raises `StoreError`."""
        if self._notes:
            await asyncio.to_thread(self._notes.refresh)

    def _found(self, key: str) -> RawReply | None:
        assert self._notes is not None
        if data := self._notes.find(key):
            with suppress(ValidationError):  # not written by `keep`
                reply = _RAW_REPLY.validate_json(data, strict=True)
                return reply._replace(text=redact_values(reply.text))  # an older version may have stored a secret
        return None


_RAW_REPLY = TypeAdapter(RawReply)


_NOTES: WeakValueDictionary[str, AppendLog] = WeakValueDictionary()
_LOCK = threading.Lock()


def _notes_at(address: str) -> AppendLog:
    """The log at an address, one instance a process: reading its index takes a second for 200,000 replies."""
    with _LOCK:
        notes = _NOTES.get(address)
        if notes is None:
            notes = _NOTES[address] = AppendLog(Store(address), "")
            notes.refresh()
        return notes


def json_bytes(value: Any) -> bytes:
    """Plain data as JSON; equal data in equal order gives equal bytes."""
    try:
        return to_json(value)
    except PydanticSerializationError:  # a lone surrogate, which is not valid text
        return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def reply_key(call: bytes, *, weights: str, draw: Sequence[str | int]) -> str:
    """A hash of what decides a reply: the JSON of the call with its pictures, the pin of the weights, and the draw."""
    digest = hashlib.sha256(call)
    digest.update(json_bytes([weights, list(draw)]))
    return digest.hexdigest()
