from __future__ import annotations

import time

from datagen import Answer, AsyncMap, Record


class Brood(AsyncMap):
    """Compute, and wait for nothing; for ever where the caption says so."""

    reads = ("caption",)
    writes = ("foreground_ratio",)
    remote = False

    async def process_one(self, record: Record) -> Answer:
        until = time.monotonic() + (3600 if record["caption"] == "compute" else 0)
        while time.monotonic() < until:
            pass
        return {"foreground_ratio": 0.5}
