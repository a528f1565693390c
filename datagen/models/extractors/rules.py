"""Subjects that rules extract from instructions."""

from __future__ import annotations

from typing import Literal

from datagen.core.fields import PLACEHOLDER
from datagen.core.stage import Runtime
from datagen.models.base import ModelConfig
from datagen.models.extractors.base import Extracted, SubjectExtractor
from datagen.models.grammar import parse_addition, parse_replacement


class RulesExtractorConfig(ModelConfig):
    """Reads `replace X with Y` and `add X to ...`, and nothing that allows two readings."""

    kind: Literal["rules"] = "rules"

    def load(self, device: str, *, runtime: Runtime) -> SubjectExtractor:  # noqa: ARG002
        """The extractor; it needs no device and no runtime."""
        return RulesExtractor()


class RulesExtractor:
    """Parses the instruction; see `parse_replacement` and `parse_addition` for the forms."""

    async def extract(self, text: str, *, record: str) -> Extracted | None:  # noqa: ARG002
        """See `SubjectExtractor`."""
        found = parse_replacement(text) or parse_addition(text)
        if found is None:
            return None
        return Extracted(found.subject, f"{found.before} {PLACEHOLDER}{found.after}")

    async def close(self) -> None:
        """Nothing to close."""
