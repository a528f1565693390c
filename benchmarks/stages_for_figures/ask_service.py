"""A stage shaped like a call to a language model's API."""

from __future__ import annotations

import asyncio

from datagen import Answer, AsyncMap, Record, StageConfig


class AskService(AsyncMap):
    """Write the instruction after a while, as a service would."""

    reads = ("uri",)
    writes = ("instruction",)

    class Config(StageConfig):
        """How long a call takes."""

        seconds: float = 0.5

    config: Config

    async def process_one(self, record: Record) -> Answer:
        await asyncio.sleep(self.config.seconds)
        return {"instruction": f"Look at {record['uri']}."}
