from __future__ import annotations

import asyncio

from datagen import Answer, AsyncMap, Record


class NeverAnswer(AsyncMap):
    """A service that has forgotten about the records called `sleep`."""

    reads = ("caption",)
    writes = ("task",)

    async def process_one(self, record: Record) -> Answer:
        await asyncio.sleep(600 if record["caption"] == "sleep" else 0)
        return {"task": "toy"}
