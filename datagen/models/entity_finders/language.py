"""Objects that a caption names, according to a language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from datagen.core.stage import Runtime
from datagen.models.entity_finders.base import CaptionedPicture, Entity, EntityFinder
from datagen.models.entity_finders.boxes import objects_by_unique_label, with_annotation
from datagen.models.grammar import find_mention
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageFinderConfig(LanguageRoleConfig):
    """Has a language model read the caption; what it names has to stand there word for word."""

    kind: Literal["language"] = "language"
    needs: ClassVar[tuple[str, ...]] = ("objects",)
    slots: ClassVar[Mapping[str, Kind]] = {"caption": "text"}
    prompt: str = "find_entities"

    def load(self, device: str, *, runtime: Runtime) -> EntityFinder:
        """The finder. Raises `SetupError` if its model cannot be used."""
        return LanguageEntityFinder(self, self.model.load(device, runtime=runtime))


_Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class EntitiesForm(AnswerForm):
    """What the model has to give."""

    entities: Annotated[list[_Name], Field(max_length=20)]
    """Names of things, each as the caption has it, without an article."""


class LanguageEntityFinder:
    """Asks a language model for names. A name that is not in the caption is dropped, as a picture could not replace it.

    If the source has exactly one box with that name, the entity gets it. The others are left to a detector.
    """

    def __init__(self, config: LanguageFinderConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def find(self, picture: CaptionedPicture, *, record: str) -> list[Entity]:
        """See `EntityFinder`."""
        question = self._prompt.render({"caption": picture.caption})
        reply = await self._model(question, shape=EntitiesForm, draw=Draw(record))
        names = dict.fromkeys(name.lower() for name in reply.value.entities)
        spans = ((name, find_mention(picture.caption, name)) for name in names)
        found = sorted((Entity(name, span) for name, span in spans if span), key=lambda entity: entity.span)
        known = objects_by_unique_label(picture.objects)
        return [with_annotation(one, known[one.label]) if one.label in known else one for one in found]

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()
