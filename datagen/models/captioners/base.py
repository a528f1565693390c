"""What says in a sentence what a picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class Captioner(Protocol):
    """Writes captions."""

    async def caption(self, image: Image, *, given: str, record: str) -> str:
        """A caption of one picture, of a record by its id; '' if there is none. `given` is what its source says of it.

        Raises `DataError` where no answer could be had; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...
