"""The protocol of main-subject judges: they take an instruction, and return a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datagen.models.language.verdict import Verdict


class MainSubjectJudge(Protocol):
    """Decides whether an edit is about the main subject. In MIGE that is a person or an animal (table 6)."""

    async def judge(self, text: str, *, record: str) -> Verdict:
        """The verdict on the instruction of the record with this id.

        Raises `DataError` if there is no verdict; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
