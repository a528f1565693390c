from __future__ import annotations

import os
from pathlib import Path

from datagen import Answer, Map, Record, StageConfig


class Crash(Map):
    """End the whole process, as a segmentation fault would: always for `killer`, once for `stumble`."""

    reads = ("caption",)
    writes = ("task",)

    class Config(StageConfig):
        """Where it remembers."""

        folder: str

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        for record in batch:
            mark = Path(self.config.folder) / f"{record.id}.stumbled"
            if record["caption"] == "killer" or (record["caption"] == "stumble" and not mark.exists()):
                mark.touch()
                os._exit(139)
        return [{"task": "toy"} for _ in batch]
