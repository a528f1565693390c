"""The protocol of grounders: they take a picture and phrases, and return boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from datagen.core.fields import Box

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class GroundedBox(NamedTuple):
    """A box that a model gave for a label. It has no score, as a language model gives none."""

    box: Box
    """In pixels, inside the picture, and not empty."""
    label: str


class Grounder(Protocol):
    """Finds boxes for phrases."""

    async def find(self, image: Image, phrases: Sequence[str], *, record: str) -> list[GroundedBox]:
        """The objects that the phrases name, in the model's order, for the record with this id.

        Raises `DataError` if there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
