"""What services replied, kept by what they were asked, so that nothing is paid for twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from pydantic_core import PydanticSerializationError, to_json

from datagen.nearby import Nearby
from datagen.notes import Notes
from datagen.store import Store


class Said(NamedTuple):
    """The text of one reply, and the tokens that it took."""

    text: str
    tokens_in: int
    tokens_out: int
    cut: bool
    """Whether it broke off at `max_tokens`."""


class Replies:
    """Replies below one address, each of which begins with the checksum of the rest; nowhere, if it is ''."""

    def __init__(self, address: str) -> None:
        self._notes = Notes(Store(address), "") if address else None
        self._nearby = Nearby()

    def close(self) -> None:
        """Let its threads go."""
        self._nearby.close()

    async def find(self, key: str) -> Said | None:
        """What was kept; None if nothing was, or if it was damaged since. Raises `StoreError`."""
        return await self._nearby.do(partial(self._found, key)) if self._notes else None

    async def keep(self, key: str, said: Said) -> None:
        """Keep a reply; a reader sees it whole or not at all. Raises `StoreError`."""
        if self._notes:
            body = bytes_of(said._asdict())
            data = hashlib.sha256(body).hexdigest().encode() + body
            await self._nearby.do(partial(self._notes.add, key, data))

    async def forget(self, keys: Sequence[str]) -> None:
        """Let go of replies that were of no use, so that a retry asks again. Raises `StoreError`."""
        if self._notes:
            for key in keys:
                await self._nearby.do(partial(self._notes.forget, key))

    def _found(self, key: str) -> Said | None:
        assert self._notes is not None
        data = self._notes.find(key)
        if data is None:
            return None
        head, body = data[:_HEAD], data[_HEAD:]
        with suppress(ValueError, TypeError, KeyError):  # not what `keep` wrote
            if head == hashlib.sha256(body).hexdigest().encode():
                return Said(**json.loads(body))
        return None


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


_HEAD = 64
"""Bytes of a checksum in hex."""
