"""What an asynchronous stage makes of one record."""

from __future__ import annotations

import asyncio
from typing import Any

from datagen import AsyncMap, Record


def answer_of(stage: AsyncMap, record: Record) -> Any:
    """Set the stage up, process the record, and close the stage."""

    async def run() -> Any:
        stage.setup("cpu")
        try:
            return await stage.process_one(record)
        finally:
            await stage.close()

    return asyncio.run(run())
