"""Subjects named by a vision-language model."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator

from datagen.core.errors import DataError
from datagen.models.grammar.phrases import cleaned
from datagen.models.language.base import Draw, LanguageModel
from datagen.models.language.crops import crop, cut_out
from datagen.models.namers.base import LanguageNamerConfig, Look

MOST_WORDS = 6
_ARTICLES = ("a", "an", "the")


class NameForm(BaseModel):
    """What the model has to give: a name of a few words that fits into a sentence."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        text = name.rstrip(".")
        if len(text.split()) > MOST_WORDS or cleaned(text).casefold() != " ".join(text.casefold().split()):
            raise ValueError(f"it has to be a noun of at most {MOST_WORDS} words, such as: red cup")
        first, _, rest = text.partition(" ")
        return rest if first.lower() in _ARTICLES and rest else text


class LanguageNamer:
    """Shows the subject and asks what it is."""

    def __init__(self, config: LanguageNamerConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()
        self._view = {"cut_out": cut_out, "crop": crop}[config.shows]

    async def name(self, annotated: str, *, look: Look | None, record: str) -> str:
        """See `SubjectNamer`."""
        if look is None or not look.mask.any():
            raise DataError("there is nothing to be shown: the mask is empty")
        question = self._prompt.render({"label": annotated})._replace(images=(self._view(*look),))
        reply = await self._model(question, shape=NameForm, draw=Draw(record))
        return reply.value.name

    async def close(self) -> None:
        """Let go of the model's connections."""
        await self._model.close()
