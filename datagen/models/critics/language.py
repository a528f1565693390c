"""Critiques by a vision-language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import pydantic
from pydantic import StringConstraints, model_validator

from datagen.core.errors import ConfigError
from datagen.core.fields import PLACEHOLDER
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.critics.base import (
    Critic,
    Critique,
    JudgedPart,
    Refinement,
    VerdictWord,
    contradiction,
    without_nothings,
)
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind, Prompt, delimited, read_prompt
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageCriticConfig(LanguageRoleConfig):
    """Asks a vision-language model, once a part; one that contradicts itself is told so and has to answer again."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"instruction": "text", "count": "number"}
    further_slots: ClassVar[Mapping[str, Mapping[str, Kind]]] = {
        "description_prompt": {
            "prompt": "text",
            "earlier": "json",
            "instruction": "text",
            "description": "text",
            "later": "json",
        },
        "refinement_prompt": {"goal": "text", "critique": "text", "correction": "text"},
    }
    """The slots of the other two prompts, by option."""

    prompt: str = "criticise_picture"
    """What it is told to judge a picture: a prompt that comes with datagen, or the path of one's own."""
    description_prompt: str = "criticise_description"
    """What it is told to judge a description, likewise."""
    refinement_prompt: str = "judge_refinement"
    """What it is told to judge a mended picture, likewise."""

    @pydantic.field_validator("description_prompt", "refinement_prompt")
    @classmethod
    def _readable_too(cls, prompt: str, info: pydantic.ValidationInfo) -> str:
        try:
            read_prompt(prompt, offers=cls.further_slots[info.field_name or ""])
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return prompt

    @property
    def revision(self) -> str:
        """The version of the implementation and the digests of all three prompts."""
        return ":".join((super().revision, *(self.read_further(option).digest for option in self.further_slots)))

    def read_further(self, option: str) -> Prompt:
        """One of the other two prompts, by its option, read anew from its file. Raises `ConfigError`."""
        return read_prompt(getattr(self, option), offers=self.further_slots[option])

    def load(self, device: str, *, runtime: Runtime) -> Critic:
        """The critic. Raises `SetupError` if its model cannot be used."""
        return LanguageCritic(self, self.model.load(device, runtime=runtime))


_Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]


class CritiqueForm(AnswerForm):
    """What is wrong, the verdict that follows from it, and the instruction that mends it."""

    critique: _Words
    verdict: VerdictWord
    correction: _Words

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        """A form that contradicts itself has to be given again."""
        if fault := contradiction(self.read()):
            raise ValueError(fault)
        if PLACEHOLDER in self.correction:
            raise ValueError(f"the correction has {PLACEHOLDER}, which stands for no picture here")
        return self

    def read(self) -> Critique:
        """The critique, each text on one line, without words for nothing."""
        return Critique(self.verdict, without_nothings(self.critique), without_nothings(self.correction))


class LanguageCritic:
    """Asks a model. The texts of the output are data: they are delimited, and never addressed to the model."""

    def __init__(self, config: LanguageCriticConfig, model: LanguageModel) -> None:
        self._model = model
        self._picture_prompt = config.read_prompt()
        self._description_prompt = config.read_further("description_prompt")
        self._refinement_prompt = config.read_further("refinement_prompt")

    async def judge(self, part: JudgedPart, *, record: str) -> Critique:
        """See `Critic`. A description is judged without any picture."""
        if part.kind == "description":
            return await self._ask(self._description_prompt, _described(part), (), record)
        images = (part.image,) if part.before is None else (part.before, part.image)
        values = {"instruction": part.step["instruction"], "count": len(images)}
        return await self._ask(self._picture_prompt, values, images, record)

    async def judge_refinement(self, refinement: Refinement, *, record: str) -> Critique:
        """See `Critic`."""
        values = {"goal": refinement.goal, "critique": refinement.critique, "correction": refinement.correction}
        return await self._ask(self._refinement_prompt, values, (refinement.flawed, refinement.mended), record)

    async def _ask(self, prompt: Prompt, values: Mapping[str, Any], images: tuple[Image, ...], record: str) -> Critique:
        question = prompt.render(values)._replace(images=images)
        reply = await self._model(question, shape=CritiqueForm, draw=Draw(record))
        return reply.value.read()

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()


def _described(part: JudgedPart) -> dict[str, Any]:
    """The slots of the prompt for a description: what was done, what is judged, and what was still to come."""
    names = ("instruction", "description")
    earlier, later = part.steps[: part.number - 1], part.steps[part.number :]
    return {
        "prompt": part.prompt,
        "earlier": [{name: delimited(step.get(name) or "") for name in names} for step in earlier],
        "instruction": part.step["instruction"],
        "description": part.step.get("description") or "",
        "later": [delimited(step["instruction"]) for step in later],
    }
