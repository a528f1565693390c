"""Subjects taken out of instructions by rules."""

from __future__ import annotations

from datagen.core.fields import PLACEHOLDER
from datagen.models.extractors.base import Extracted
from datagen.models.grammar import additions, replacements


class RulesExtractor:
    """See `replacements.parsed` and `additions.parsed` for what is understood."""

    async def extract(self, text: str, *, record: str) -> Extracted | None:  # noqa: ARG002
        """See `SubjectExtractor`."""
        found = replacements.parsed(text) or additions.parsed(text)
        if found is None:
            return None
        return Extracted(found.subject, f"{found.before} {PLACEHOLDER}{found.after}")

    async def close(self) -> None:
        """It opened nothing."""
