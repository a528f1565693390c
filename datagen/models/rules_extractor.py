"""Subjects taken out of instructions by rules."""

from __future__ import annotations

from datagen.fields import PLACEHOLDER
from datagen.models.replacements import parsed
from datagen.models.subject_extractor import Extracted


class RulesExtractor:
    """See `replacements.parsed` for what is understood."""

    async def extract(self, text: str, *, record: str) -> Extracted | None:  # noqa: ARG002
        """See `SubjectExtractor`."""
        found = parsed(text)
        if found is None:
            return None
        return Extracted(found.subject, f"{found.before} {PLACEHOLDER}{found.after}")

    async def close(self) -> None:
        """It opened nothing."""
