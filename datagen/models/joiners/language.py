"""Instructions that a language model joins into one natural instruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import StringConstraints

from datagen.core.stage import Runtime
from datagen.models.joiners.base import InstructionJoiner
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind, delimited
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageJoinerConfig(LanguageRoleConfig):
    """Asks a language model."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"texts": "json"}

    prompt: str = "join_instructions"

    def load(self, device: str, *, runtime: Runtime) -> InstructionJoiner:
        """The joiner. Raises `SetupError` if its model cannot be used."""
        return LanguageJoiner(self, self.model.load(device, runtime=runtime))


class JoinedForm(AnswerForm):
    """What the model has to give."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class LanguageJoiner:
    """Asks a model. Whether its text still names every object is checked by the stage."""

    def __init__(self, config: LanguageJoinerConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def join(self, texts: Sequence[str], *, record: str) -> str:
        """See `InstructionJoiner`."""
        question = self._prompt.render({"texts": [delimited(text) for text in texts]})
        reply = await self._model(question, shape=JoinedForm, draw=Draw(record))
        return " ".join(reply.value.instruction.split())

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()
