"""The protocol of instruction joiners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class InstructionJoiner(Protocol):
    """Joins the instructions of several turns into one that asks for all of them."""

    async def join(self, texts: Sequence[str], *, record: str) -> str:
        """The joined instruction of the record with this id; `texts` are at least one, in their order.

        Raises `DataError` if there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
