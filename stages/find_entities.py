"""Find the things that a caption names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.models.entity_finders import EntityFinderConfig
from datagen.models.entity_finders.base import Entity, Told
from datagen.models.entity_finders.boxes import BoxesConfig
from datagen.models.grammar.placeholders import refuse_placeholder


class FindEntities(AsyncMap):
    """Find the things that the caption names, so that pictures can take the place of their names.

    Writes each thing's label, its place in the caption, and its box and mask where they are known. MIGE takes them from
    BLIP3-GROUNDING's boxes, or asks a language model (appendix B). Rejects a caption that names nothing as `no_entity`.
    """

    reads = ("image", "caption")
    optional = ("grounding",)
    writes = ("entities",)
    rejects = ("no_entity",)
    version = 2
    remote = False

    class Config(StageConfig):
        """Who finds them."""

        finder: EntityFinderConfig = BoxesConfig()
        """The model that finds them."""

    config: Config

    @classmethod
    def needs(cls, config: Any) -> tuple[str, ...]:
        """What every finder reads, and what this one does besides."""
        return (*cls.reads, *config.finder.needs)

    def setup(self, device: str) -> None:
        """Load the finder."""
        self.finder = self.config.finder.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Find the things that one caption names."""
        refuse_placeholder(record["caption"])
        told = Told(record["caption"], record["image"].size, record.get("objects") or (), record.get("grounding") or ())
        found = await self.finder.find(told, record=record.id)
        if not found:
            what = "the caption is empty" if not told.caption.strip() else "it names nothing that can be cut out"
            return Reject("no_entity", what)
        return {"entities": [_entity_row(entity) for entity in found]}

    async def close(self) -> None:
        """Let go of what the finder opened, if it was loaded."""
        if hasattr(self, "finder"):
            await self.finder.close()


def _entity_row(entity: Entity) -> Mapping[str, Any]:
    return {
        "label": entity.label,
        "start": entity.span.start,
        "end": entity.span.end,
        "box": None if entity.box is None else list(entity.box),
        "polygons": list(entity.polygons),
        "mask": dict(entity.mask),
    }
