"""The protocol of instruction decomposers: "add a cat and make the dog red" has two parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datagen.models.grammar import EditPart


class InstructionDecomposer(Protocol):
    """Decomposes an instruction into edits of one thing each."""

    async def decompose(self, text: str, *, record: str) -> list[EditPart]:
        """The parts of the instruction of the record with this id, at least one.

        What is not understood is one part with the operation `unknown`; nothing is guessed. Raises `DataError` if there
        is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
