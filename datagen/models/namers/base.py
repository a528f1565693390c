"""The protocol of subject namers: they take an annotated label and the pixels, and return a name."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from numpy import bool_
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class Look(NamedTuple):
    """A picture, and the mask of the subject."""

    image: Image
    mask: NDArray[bool_]
    """HW, of the picture's size."""


class SubjectNamer(Protocol):
    """Names a subject with a short noun phrase, such as `red cup`."""

    async def name(self, annotated: str, *, look: Look | None, record: str) -> str:
        """The name of the subject of the record with this id. `annotated` is its annotated label.

        `look` is given if the config's `needs` name its fields. Raises `DataError` if there is no name; see also
        `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
