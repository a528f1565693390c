from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import Field as Option

from datagen import Answer, Field, Map, Record, Reject, StageConfig

TEXTS = ("n0", "n1", "n2", "n3", "n4", "n5")
SEEN: dict[tuple[str, str], Any] = {}
"""What each stage was given for each record, by the stage's id and the record's."""


def noted(stage: Any, record: Record) -> str:
    """Enter what a stage is given; a hash of that and of all that the stage is by itself."""
    given = [record.parent, sorted(record.items())]
    SEEN[stage.id, record.id] = given
    lines = [stage.id, record.id, given, stage.config.model_dump(mode="json"), type(stage).version, stage.seed]
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()[:6]


class Options(StageConfig):
    """What changes the answers."""

    knob: int = 0
    reads: tuple[str, ...] = ()
    decides: bool = False
    """Answer yes or no."""
    rejects: float = Option(default=0, ge=0, le=1)


class Note(Map):
    """Answer with a hash of what it is given."""

    optional = ("o0", "o1")
    writes = ("out",)
    rejects = ("whim",)
    fields = tuple(Field(name, "text", "A note.") for name in (*TEXTS, "o0", "o1", "out"))

    Config = Options
    config: Options

    @classmethod
    def needs(cls, config: Options) -> tuple[str, ...]:
        return config.reads

    def process(self, batch: list[Record]) -> list[Answer]:
        return [self._answer(noted(self, record)) for record in batch]

    def _answer(self, message: str) -> Answer:
        drawn = int(message, 16) / 16**6
        if drawn < self.config.rejects:
            return Reject("whim")
        return {"out": ("yes" if int(message[-1], 16) % 2 else "no") if self.config.decides else message}
