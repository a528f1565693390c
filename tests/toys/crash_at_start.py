from __future__ import annotations

import os

from datagen import Answer, Map, Record


class CrashAtStart(Map):
    """Ends its process when it is set up."""

    writes = ("task",)

    def setup(self, device: str) -> None:
        os._exit(139)

    def process(self, batch: list[Record]) -> list[Answer]:
        return [{"task": "never"} for _ in batch]
