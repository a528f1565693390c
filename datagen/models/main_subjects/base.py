"""Who says whether an edit is about a picture's main subject: an instruction in, a verdict out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datagen.models.language.verdict import Verdict


class MainSubjectJudge(Protocol):
    """Says whether an edit is about the main subject, which in MIGE is a person or an animal (table 6)."""

    async def judge(self, text: str, *, record: str) -> Verdict:
        """The verdict on a record's instruction.

        Raises `DataError` where there is none; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...
