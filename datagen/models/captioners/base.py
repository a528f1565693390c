"""The protocol of captioners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class Captioner(Protocol):
    """Writes captions."""

    async def caption(self, image: Image, *, given: str, record: str) -> str:
        """A caption for the picture of the record with this id; '' if there is none. `given` is the source's caption.

        Raises `DataError` if there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
