"""Keep edits of the picture's main subject."""

from __future__ import annotations

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.models.main_subjects import MainSubjectJudgeConfig
from datagen.models.main_subjects.rules import RulesMainSubjectConfig


class CheckMainSubject(AsyncMap):
    """Drop edits of background and surroundings; in MIGE only people and animals are main subjects (table 6).

    Rejects them as `not_main_subject`.
    """

    reads = ("text",)
    rejects = ("not_main_subject",)
    version = 1
    remote = False

    class Config(StageConfig):
        """Who judges."""

        judge: MainSubjectJudgeConfig = RulesMainSubjectConfig()
        """The model that judges."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the judge."""
        self.judge = self.config.judge.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """Judge the record's instruction."""
        verdict = await self.judge.judge(record["text"], record=record.id)
        return {} if verdict.answer else Reject("not_main_subject", verdict.reason)

    async def close(self) -> None:
        """Let go of what the judge opened, if it was loaded."""
        if hasattr(self, "judge"):
            await self.judge.close()
