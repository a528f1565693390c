"""Write a caption for a picture."""

from __future__ import annotations

from typing import Any

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.models.captioners import CaptionerConfig
from datagen.models.captioners.given import GivenConfig


class CaptionPicture(AsyncMap):
    """Propose a caption for the picture; a person corrects it later (`review_caption`).

    Rejects a record as `no_caption` if the captioner returns no text.
    """

    reads = ("image",)
    writes = ("proposed_caption",)
    rejects = ("no_caption",)
    version = 1
    remote = False

    class Config(StageConfig):
        """Who describes."""

        captioner: CaptionerConfig = GivenConfig()
        """The model that describes."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """What every captioner reads, and what this one does besides."""
        return (*cls.reads, *config.captioner.needs)

    def setup(self, device: str) -> None:
        """Load the captioner."""
        self.captioner = self.config.captioner.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Caption one picture."""
        given = record.get("given_caption", "")
        found = await self.captioner.caption(record["image"], given=given, record=record.id)
        return {"proposed_caption": found} if found.strip() else Reject("no_caption", "nothing is said of the picture")

    async def close(self) -> None:
        """Let go of what the captioner opened, if it was loaded."""
        if hasattr(self, "captioner"):
            await self.captioner.close()
