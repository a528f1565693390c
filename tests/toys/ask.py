from __future__ import annotations

import asyncio

from datagen import Answer, AsyncMap, Field, Record, Reject


class Ask(AsyncMap):
    """Answer after a moment, as a service would, for two cents and three tokens."""

    reads = ("uri",)
    writes = ("verdict",)
    rejects = ("refused",)
    fields = (Field("verdict", "text", "What the judge says.", choices=("yes", "no")),)

    async def process_one(self, record: Record) -> Answer:
        await asyncio.sleep(0)
        self.charge(tokens=3, usd=0.02)
        drawn = self.rng(record).random()
        return Reject("refused") if drawn < 0.1 else {"verdict": "yes" if drawn < 0.5 else "no"}
