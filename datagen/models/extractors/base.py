"""The protocol of subject extractors: from `replace the bird with a parrot` they extract `parrot`."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Extracted(NamedTuple):
    """The new subject of an instruction, and the instruction with `<imagehere>` in its place."""

    subject: str
    instruction: str


class SubjectExtractor(Protocol):
    """Extracts the new subject from an instruction that replaces or adds one (MIGE, table 7)."""

    async def extract(self, text: str, *, record: str) -> Extracted | None:
        """The subject of the instruction of the record with this id; None if it is not clear.

        Raises `DataError` if there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
