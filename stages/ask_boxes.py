"""Ask a vision-language model for the objects of pictures that have no annotations."""

from __future__ import annotations

from typing import Any

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.models.detectors.found_objects import Phrases, needed_by, object_of, phrases_for
from datagen.models.grounders import BoxAskerConfig


class AskBoxes(AsyncMap):
    """Ask a vision-language model for boxes of named things, or of everything that stands out.

    If a picture has `annotated` objects, they are used and no model is called. If the source itself gives `objects`,
    rename both: `map: {annotated: objects, objects: found_objects}`. Rejects a picture as `no_object` if the model
    finds nothing, or if there is no phrase to look for.
    """

    reads = ("image",)
    optional = ("annotated",)
    writes = ("objects",)
    rejects = ("no_object",)
    version = 1

    class Config(StageConfig):
        """Who is asked, and what for."""

        asker: BoxAskerConfig
        """The model that tells boxes."""
        phrases: Phrases = ("every separate thing that stands out",)
        """What is looked for: words, or a field in braces such as `{subject}`, with a phrase or a list of them."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """The picture, and the fields that phrases come from."""
        return (*cls.reads, *needed_by(config.phrases))

    def setup(self, device: str) -> None:
        """Open the model's client."""
        self.asker = self.config.asker.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Find the objects of one picture."""
        if record.get("annotated"):
            return {"objects": record["annotated"]}
        phrases = phrases_for(record, self.config.phrases)
        if not phrases:
            return Reject("no_object", "there is nothing to look for")
        found = await self.asker.find(record["image"], phrases, record=record.id)
        if not found:
            return Reject("no_object", f"the model sees none of: {'; '.join(phrases):.200}")
        return {"objects": [object_of(one.label, box=one.box) for one in found]}

    async def close(self) -> None:
        """Let go of the model's connections, if it was loaded."""
        if hasattr(self, "asker"):
            await self.asker.close()
