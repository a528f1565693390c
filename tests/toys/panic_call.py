from __future__ import annotations

import asyncio

from datagen import Answer, AsyncMap, Record, StageConfig
from toys._panics import go_off


class PanicCall(AsyncMap):
    """Raise what an AsyncMap may, itself or in a task that it starts."""

    reads = ("caption",)
    writes = ("task",)

    class Config(StageConfig):
        """Where."""

        in_task: bool = False

    config: Config

    async def process_one(self, record: Record) -> Answer:
        if self.config.in_task:
            await asyncio.gather(asyncio.create_task(self._go_off(record["caption"])))
        if record["caption"] == "cancels itself":
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        go_off(record["caption"])
        return {"task": "toy"}

    async def _go_off(self, caption: str) -> None:
        go_off(caption)
