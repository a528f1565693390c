from __future__ import annotations

import json
import os
import time
from pathlib import Path

from pydantic import Field as Option

from datagen import Answer, Field, Map, Record, StageConfig


class Attempt(Map):
    """Try until it is good enough, with a model that is loaded in `setup`; note each load and each call."""

    reads = ("caption",)
    writes = ("opinion",)
    fields = (Field("opinion", "text", "Whether the attempt is good enough.", choices=("yes", "no")),)

    class Config(StageConfig):
        """Where it notes, how it goes, and in which round the caption `killer` ends the process."""

        folder: str
        share: float = Option(default=0.5, ge=0, le=1)
        """Of the attempts that are good enough."""
        seconds: float = Option(default=0.0, ge=0)
        kills_in: str = ""

    config: Config

    def setup(self, device: str) -> None:
        self.model = object()
        self._note("loads", {"pid": os.getpid(), "stage": self.id})

    def process(self, batch: list[Record]) -> list[Answer]:
        if self.id == self.config.kills_in and any(record["caption"] == "killer" for record in batch):
            os._exit(139)
        time.sleep(self.config.seconds)
        ids = [record.id for record in batch]
        self._note("calls", {"pid": os.getpid(), "stage": self.id, "model": id(self.model), "ids": ids})
        return [{"opinion": self.opinion(record)} for record in batch]

    def opinion(self, record: Record) -> str:
        return "yes" if self.rng(record).random() < self.config.share else "no"

    def _note(self, name: str, line: dict[str, object]) -> None:
        with (Path(self.config.folder) / f"{name}.jsonl").open("a") as file:
            file.write(f"{json.dumps(line)}\n")
