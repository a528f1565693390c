"""Things that a caption names, as a language model reads it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from datagen.models.entity_finders.base import Entity, LanguageFinderConfig, Told
from datagen.models.entity_finders.boxes import outlined, unmistakable
from datagen.models.grammar.names_in_captions import mention
from datagen.models.language.base import Draw, LanguageModel

_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class EntitiesForm(BaseModel):
    """What the model has to give."""

    model_config = ConfigDict(extra="forbid")

    entities: Annotated[list[_Name], Field(max_length=20)]
    """Names of things, each as the caption has it, without an article."""


class LanguageEntityFinder:
    """Asks a language model; a name that the caption does not say is nothing that a picture could stand for.

    Where the source has a box under that very name, and only one, it is taken; the others are for a detector.
    """

    def __init__(self, config: LanguageFinderConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def find(self, told: Told, *, record: str) -> list[Entity]:
        """See `EntityFinder`."""
        question = self._prompt.render({"caption": told.caption})
        reply = await self._model(question, shape=EntitiesForm, draw=Draw(record))
        names = dict.fromkeys(name.lower() for name in reply.value.entities)
        spans = ((name, mention(told.caption, name)) for name in names)
        found = sorted((Entity(name, span) for name, span in spans if span), key=lambda entity: entity.span)
        known = unmistakable(told.objects)
        return [outlined(one, known[one.label]) if one.label in known else one for one in found]

    async def close(self) -> None:
        """Let go of the model's connections."""
        await self._model.close()
