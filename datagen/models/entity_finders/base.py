"""What finds the things that a caption names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from datagen.core.fields import Box
from datagen.models.grammar import Span


class CaptionedPicture(NamedTuple):
    """A caption, and what its source tells of the picture."""

    caption: str
    size: tuple[int, int]
    """The picture's width and height."""
    objects: Sequence[Mapping[str, Any]] = ()
    """Annotated objects, as a source gives them."""
    grounding: Sequence[Mapping[str, Any]] = ()
    """Boxes of single words, as `grounding` has them."""


class Entity(NamedTuple):
    """A thing that a caption names."""

    label: str
    """Its name, without an article."""
    span: Span
    """The characters that a picture of it can stand for."""
    box: Box | None = None
    """In pixels; None where it still has to be found."""
    polygons: Sequence[Any] = ()
    mask: Mapping[str, Any] = {}


class EntityFinder(Protocol):
    """Finds the things that a caption names, in its order; spans may meet."""

    async def find(self, picture: CaptionedPicture, *, record: str) -> list[Entity]:
        """The things that the caption of a record, by its id, names; none is a sound answer.

        Raises `DataError` where it cannot be told; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...
