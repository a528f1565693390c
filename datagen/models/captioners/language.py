"""Captions by a vision-language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.captioners.base import Captioner
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageCaptionerConfig(LanguageRoleConfig):
    """Has a vision-language model describe the picture; MIGE asks Qwen2-VL-7B (appendix A)."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {}

    prompt: str = "caption_picture"

    def load(self, device: str, *, runtime: Runtime) -> Captioner:
        """The captioner. Raises `SetupError` if its model cannot be used."""
        return LanguageCaptioner(self, self.model.load(device, runtime=runtime))


class CaptionForm(AnswerForm):
    """What the model has to give."""

    caption: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=600, pattern=r"^[^<>\n]*$")
    ]
    """One sentence or two, on one line."""


class LanguageCaptioner:
    """Asks a model that gets the picture and nothing else."""

    def __init__(self, config: LanguageCaptionerConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def caption(self, image: Image, *, given: str, record: str) -> str:  # noqa: ARG002
        """See `Captioner`."""
        question = self._prompt.render({})._replace(images=(image,))
        reply = await self._model(question, shape=CaptionForm, draw=Draw(record))
        return reply.value.caption

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()
