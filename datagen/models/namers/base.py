"""Who names a subject: what annotators call it, and its pixels in, a name out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from numpy import bool_
from numpy.typing import NDArray

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class Look(NamedTuple):
    """A picture, and which of its pixels are the subject."""

    image: Image
    mask: NDArray[bool_]
    """HW, of the picture's size."""


class SubjectNamer(Protocol):
    """Names a subject with a short noun phrase, such as `red cup`."""

    async def name(self, annotated: str, *, look: Look | None, record: str) -> str:
        """The name of a record's subject, which annotators call `annotated`; `look` is there for those that need it.

        Raises `DataError` where there is none; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...
