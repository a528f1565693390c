"""Subjects called as their annotators called them."""

from __future__ import annotations

from datagen.models.namers.base import Look


class LabelNamer:
    """Gives the label back."""

    async def name(self, annotated: str, *, look: Look | None, record: str) -> str:  # noqa: ARG002
        """See `SubjectNamer`."""
        return annotated

    async def close(self) -> None:
        """It opened nothing."""
