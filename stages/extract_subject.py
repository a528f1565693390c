"""Take the new subject out of an instruction, and put a placeholder there."""

from __future__ import annotations

import re

from pydantic import field_validator

from datagen import Answer, AsyncMap, Record, Reject, StageConfig
from datagen.fields import PLACEHOLDER
from datagen.models.subject_extractor import RulesExtractorConfig, SubjectExtractorConfig


class ExtractSubject(AsyncMap):
    """Write what an edit puts into the picture, and the instruction with `<imagehere>` in its place (MIGE, table 7).

    A second placeholder, for the picture that is edited, is added at the end, as MIGE adds it to instructions for local
    edits (appendix B): "replace the bird with <imagehere> in <imagehere>".
    """

    reads = ("text",)
    writes = ("subject", "instruction")
    rejects = ("unclear",)
    version = 1
    remote = False

    class Config(StageConfig):
        """Who reads the instruction."""

        extractor: SubjectExtractorConfig = RulesExtractorConfig()
        """The model that takes it apart."""
        source_phrase: str = f"in {PLACEHOLDER}"
        """What is added for the picture that is edited, with one placeholder."""

        @field_validator("source_phrase")
        @classmethod
        def _has_one(cls, phrase: str) -> str:
            if phrase.count(PLACEHOLDER) != 1:
                raise ValueError(f"it has to have one {PLACEHOLDER}, such as: in {PLACEHOLDER}")
            return phrase.strip()

    config: Config

    def setup(self, device: str) -> None:
        """Load the extractor."""
        self.extractor = self.config.extractor.load(device, lent=self.lent)

    async def process_one(self, record: Record) -> Answer:
        """Take the record's instruction apart."""
        found = await self.extractor.extract(record["text"], record=record.id)
        if found is None:
            return Reject("unclear", f"no single new subject can be told from '{record['text']:.200}'")
        instruction, stop = _parted(found.instruction)
        return {"subject": found.subject, "instruction": f"{instruction} {self.config.source_phrase}{stop}"}

    async def close(self) -> None:
        """Let go of what the extractor opened, if it was loaded."""
        if hasattr(self, "extractor"):
            await self.extractor.close()


def _parted(instruction: str) -> tuple[str, str]:
    """A sentence, and what it ends with."""
    words = re.sub(r"[\s.!]+$", "", instruction)
    return words, instruction[len(words) :].strip()
