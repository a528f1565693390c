"""A stage that asks a language model, at the least cost to anything but the client."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from datagen import Answer, AsyncMap, Record, StageConfig
from datagen.models.language.base import Draw, Question
from datagen.models.language.config import LanguageModelConfig


class Word(BaseModel):
    """What is answered."""

    model_config = ConfigDict(extra="forbid")
    word: str


class AskModel(AsyncMap):
    """Have a language model write the instruction."""

    reads = ("uri",)
    writes = ("instruction",)

    class Config(StageConfig):
        """Whom to ask."""

        model: LanguageModelConfig

    config: Config

    def setup(self, device: str) -> None:
        """Have a client."""
        self.model = self.config.model.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        """One call for each record."""
        reply = await self.model(Question("You answer.", record["uri"]), shape=Word, draw=Draw(record.id))
        return {"instruction": reply.value.word}

    async def close(self) -> None:
        """Let go of connections."""
        await self.model.close()
