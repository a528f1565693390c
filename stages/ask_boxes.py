"""Ask a vision-language model for the objects of a picture that nobody annotated."""

from __future__ import annotations

from typing import Any

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.models.detectors.found_objects import Phrases, fields_of_phrases, object_entry, resolve_phrases
from datagen.models.grounders import BoxAskerConfig


class AskBoxes(AsyncMap):
    """Have a model tell boxes of what phrases name, or of all that stands out.

    What is `annotated` of a picture already is taken as it is, and no model is asked.
    Where the source gives `objects`, both are renamed: `map: {annotated: objects, objects: found_objects}`.
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
        return (*cls.reads, *fields_of_phrases(config.phrases))

    def setup(self, device: str) -> None:
        """Open the model's client."""
        self.asker = self.config.asker.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """The objects of one picture."""
        if record.get("annotated"):
            return {"objects": record["annotated"]}
        phrases = resolve_phrases(record, self.config.phrases)
        if not phrases:
            return Reject("no_object", "there is nothing to look for")
        told = await self.asker.find(record["image"], phrases, record=record.id)
        if not told:
            return Reject("no_object", f"the model sees none of: {'; '.join(phrases):.200}")
        return {"objects": [object_entry(one.label, box=one.box) for one in told]}

    async def close(self) -> None:
        """Let go of the model's connections, if it was loaded."""
        if hasattr(self, "asker"):
            await self.asker.close()
