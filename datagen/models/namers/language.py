"""Subjects named by a vision-language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints, field_validator

from datagen.core.errors import DataError
from datagen.core.stage import Runtime
from datagen.models.grammar import clean_label
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.crops import crop, cut_out
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig
from datagen.models.namers.base import Look, SubjectNamer


class LanguageNamerConfig(LanguageRoleConfig):
    """Asks a vision-language model, which is shown the subject; MIGE asks Qwen2-VL-7B (appendix B)."""

    kind: Literal["language"] = "language"
    needs: ClassVar[tuple[str, ...]] = ("image", "mask")
    slots: ClassVar[Mapping[str, Kind]] = {"label": "text"}

    prompt: str = "name_subject"
    shows: Literal["cut_out", "crop"] = "cut_out"
    """What it is shown: the subject alone on white, or its surroundings too, up to the mask's bounds."""

    def load(self, device: str, *, runtime: Runtime) -> SubjectNamer:
        """The namer. Raises `SetupError` if its model cannot be used."""
        return LanguageNamer(self, self.model.load(device, runtime=runtime))


MOST_WORDS = 6
_ARTICLES = ("a", "an", "the")


class NameForm(AnswerForm):
    """What the model has to give: a name of a few words that fits into a sentence."""

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]

    @field_validator("name")
    @classmethod
    def _short(cls, name: str) -> str:
        text = name.rstrip(".")
        # a name that cleaning changes holds markup, brackets or a sentence
        if len(text.split()) > MOST_WORDS or clean_label(text).casefold() != " ".join(text.casefold().split()):
            raise ValueError(f"it has to be a noun of at most {MOST_WORDS} words, such as: red cup")
        first, _, rest = text.partition(" ")
        return rest if first.lower() in _ARTICLES and rest else text


class LanguageNamer:
    """Shows the subject to a model and asks for its name."""

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
        """Close the model's connections."""
        await self._model.close()
