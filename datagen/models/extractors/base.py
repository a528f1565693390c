"""Who takes the new subject out of an instruction: `replace the bird with a parrot` in, `parrot` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol

import pydantic

from datagen.core.stage import Lent
from datagen.models.base import ModelConfig
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind


class Extracted(NamedTuple):
    """What an instruction puts into the picture, and the instruction with `<imagehere>` in its place."""

    subject: str
    instruction: str


class SubjectExtractor(Protocol):
    """Takes the new subject out of an instruction that replaces or adds one (MIGE, table 7)."""

    async def extract(self, text: str, *, record: str) -> Extracted | None:
        """The subject of a record's instruction, None where it cannot be told.

        Raises `DataError` where no answer could be had; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class RulesExtractorConfig(ModelConfig):
    """Reads `replace X with Y` and `add X to ...`, and nothing that allows two readings."""

    kind: Literal["rules"] = "rules"

    def load(self, device: str, *, lent: Lent) -> SubjectExtractor:  # noqa: ARG002
        """The extractor; it needs no device, and nothing of the run."""
        from datagen.models.extractors.rules import RulesExtractor

        return RulesExtractor()


class LanguageExtractorConfig(AskingConfig):
    """Asks a language model; MIGE asks Qwen2.5-14B-Instruct (appendix B, table 7).

    Whatever it answers, the words around `<imagehere>` have to be those of the instruction.
    """

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"text": "text"}

    prompt: str = "extract_subject"

    def load(self, device: str, *, lent: Lent) -> SubjectExtractor:
        """The extractor. Raises `SetupError` if its model cannot be used."""
        from datagen.models.extractors.language import LanguageExtractor

        return LanguageExtractor(self, self.model.load(device, lent=lent))


SubjectExtractorConfig = Annotated[RulesExtractorConfig | LanguageExtractorConfig, pydantic.Field(discriminator="kind")]
"""Every kind of extractor, told apart by `kind`."""
