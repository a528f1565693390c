"""Who is asked where things are: a picture and phrases in, boxes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from datagen.core.fields import Box

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class GroundedBox(NamedTuple):
    """A thing that a model says is there; it says not how sure it is."""

    box: Box
    """On the picture, and not empty."""
    label: str


class Grounder(Protocol):
    """Says what is where."""

    async def find(self, image: Image, phrases: Sequence[str], *, record: str) -> list[GroundedBox]:
        """The things that phrases name, the surest first, for the record with this id.

        Raises `DataError` where there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...
