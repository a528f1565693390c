from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from datagen import Answer, AsyncMap, Field, Record, StageConfig
from datagen.models.language.base import Draw, Question
from datagen.models.language.config import LanguageModelConfig


class Remark(BaseModel):
    model_config = ConfigDict(extra="forbid")
    remark: str


class Consult(AsyncMap):
    """Ask a language model what it thinks of the caption."""

    reads = ("caption",)
    writes = ("remark",)
    fields = (Field("remark", "text", "What the model thinks."),)

    class Config(StageConfig):
        """Whom, and how often they are asked."""

        model: LanguageModelConfig
        mood: str = ""

    config: Config

    def setup(self, device: str) -> None:
        self.model = self.config.model.load(device, runtime=self.runtime)

    async def process_one(self, record: Record) -> Answer:
        reply = await self.model(Question("You remark.", record["caption"]), shape=Remark, draw=Draw(record.id))
        return {"remark": reply.value.remark}

    async def close(self) -> None:
        if hasattr(self, "model"):
            await self.model.close()
