"""Who takes the new subject out of an instruction: `replace the bird with a parrot` in, `parrot` out."""

from __future__ import annotations

from typing import NamedTuple, Protocol


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
