from __future__ import annotations

import asyncio

from datagen import Answer, AsyncMap, Record


class CountFlights(AsyncMap):
    """Tell how many calls were in flight when this one was."""

    writes = ("contrast",)
    _flying = 0

    async def process_one(self, record: Record) -> Answer:
        self._flying += 1
        await asyncio.sleep(0.01)
        seen = self._flying
        self._flying -= 1
        return {"contrast": float(seen)}
