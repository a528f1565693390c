"""Give the subject a name."""

from __future__ import annotations

from typing import Any

from datagen import Answer, AsyncMap, Record, StageConfig
from datagen.models.namers import SubjectNamerConfig
from datagen.models.namers.base import Look
from datagen.models.namers.label import LabelConfig


class NameSubject(AsyncMap):
    """Give the subject the name by which instructions call it.

    Annotators' labels may say nothing: SA-1B's objects all have the same one. The `instances` keep the annotators'
    labels.
    """

    reads = ("annotated_subject",)
    optional = ("image", "mask")
    writes = ("subject",)
    version = 1
    remote = False

    class Config(StageConfig):
        """Who names."""

        namer: SubjectNamerConfig = LabelConfig()
        """The model that names."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """The annotators' label, and what the namer is shown."""
        return (*cls.reads, *config.namer.needs)

    def setup(self, device: str) -> None:
        """Load the namer."""
        self.namer = self.config.namer.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Name the record's subject."""
        look = Look(record["image"], record["mask"]) if {"image", "mask"} <= set(record) else None
        return {"subject": await self.namer.name(record["annotated_subject"], look=look, record=record.id)}

    async def close(self) -> None:
        """Let go of what the namer opened, if it was loaded."""
        if hasattr(self, "namer"):
            await self.namer.close()
