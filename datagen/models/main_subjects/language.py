"""Main subjects by a language model."""

from __future__ import annotations

from datagen.models.language.base import Draw, LanguageModel
from datagen.models.language.verdict import Verdict
from datagen.models.main_subjects.base import LanguageMainSubjectConfig


class LanguageMainSubject:
    """Asks about the instruction alone, as MIGE does."""

    def __init__(self, config: LanguageMainSubjectConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def judge(self, text: str, *, record: str) -> Verdict:
        """See `MainSubjectJudge`."""
        reply = await self._model(self._prompt.render({"text": text}), shape=Verdict, draw=Draw(record))
        return reply.value

    async def close(self) -> None:
        """Let go of the model's connections."""
        await self._model.close()
