"""Main subjects as a language model judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from datagen.core.stage import Runtime
from datagen.models.language.base import Draw, LanguageModel
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig
from datagen.models.language.verdict import Verdict
from datagen.models.main_subjects.base import MainSubjectJudge


class LanguageMainSubjectConfig(LanguageRoleConfig):
    """Asks a language model; MIGE asks Qwen2.5-14B-Instruct (appendix B, table 6)."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"text": "text"}

    prompt: str = "check_main_subject"

    def load(self, device: str, *, runtime: Runtime) -> MainSubjectJudge:
        """The judge. Raises `SetupError` if its model cannot be used."""
        return LanguageMainSubject(self, self.model.load(device, runtime=runtime))


class LanguageMainSubject:
    """Asks about the instruction alone, without a picture, as MIGE does."""

    def __init__(self, config: LanguageMainSubjectConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def judge(self, text: str, *, record: str) -> Verdict:
        """See `MainSubjectJudge`."""
        reply = await self._model(self._prompt.render({"text": text}), shape=Verdict, draw=Draw(record))
        return reply.value

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()
