from __future__ import annotations

import asyncio
from typing import ClassVar

from datagen import Answer, AsyncMap, Field, Record


class Reconsider(AsyncMap):
    """Never be content, and count the calls in flight in this process, those of all rounds together."""

    reads = ("caption",)
    writes = ("opinion",)
    fields = (Field("opinion", "text", "Whether the attempt is good enough.", choices=("yes", "no")),)
    flying: ClassVar[int] = 0
    most: ClassVar[int] = 0
    closed: ClassVar[list[str]] = []

    async def process_one(self, record: Record) -> Answer:
        Reconsider.flying += 1
        Reconsider.most = max(Reconsider.most, Reconsider.flying)
        await asyncio.sleep(0.02)
        Reconsider.flying -= 1
        return {"opinion": "no"}

    async def close(self) -> None:
        Reconsider.closed.append(self.id)
