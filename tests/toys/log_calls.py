from __future__ import annotations

import json
import os
import time
from pathlib import Path

from pydantic import Field

from datagen import Answer, Map, Record, StageConfig


class LogCalls(Map):
    """Note each call: which process, how many records, from when to when."""

    reads = ("uri",)

    class Config(StageConfig):
        """Where it notes, and how long it takes."""

        folder: str
        seconds: float = Field(default=0.0, ge=0)

    config: Config

    def process(self, batch: list[Record]) -> list[Answer]:
        begun = time.time()
        time.sleep(self.config.seconds)
        line = {"pid": os.getpid(), "size": len(batch), "begun": begun, "ended": time.time()}
        with (Path(self.config.folder) / f"{self.id}.jsonl").open("a") as file:
            file.write(f"{json.dumps(line)}\n")
        return [{} for _ in batch]
