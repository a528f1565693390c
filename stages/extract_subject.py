"""Take the new subject out of an instruction, and put a placeholder there."""

from __future__ import annotations

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.models.subject_extractor import RulesExtractorConfig, SubjectExtractorConfig


class ExtractSubject(AsyncMap):
    """Write what an edit puts into the picture, and the instruction with `<imagehere>` in its place (MIGE, table 7)."""

    reads = ("text",)
    writes = ("subject", "instruction")
    rejects = ("unclear",)
    version = 1
    remote = False

    class Config(StageConfig):
        """Who reads the instruction."""

        extractor: SubjectExtractorConfig = RulesExtractorConfig()
        """The model that takes it apart."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the extractor."""
        self.extractor = self.config.extractor.load(device, lent=self.lent)

    async def process_one(self, record: Record) -> Answer:
        """Take the record's instruction apart."""
        found = await self.extractor.extract(record["text"], record=record.id)
        if found is None:
            return Reject("unclear", f"no single new subject can be told from '{record['text']:.200}'")
        return {"subject": found.subject, "instruction": found.instruction}

    async def close(self) -> None:
        """Let go of what the extractor opened, if it was loaded."""
        if hasattr(self, "extractor"):
            await self.extractor.close()
