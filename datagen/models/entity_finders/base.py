"""The protocol of entity finders: they find the objects that a caption names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from datagen.core.fields import Box
from datagen.models.grammar import Span


class CaptionedPicture(NamedTuple):
    """A caption with the annotations of its picture."""

    caption: str
    size: tuple[int, int]
    """The picture's width and height."""
    objects: Sequence[Mapping[str, Any]] = ()
    """Annotated objects, as in the field `objects`."""
    grounding: Sequence[Mapping[str, Any]] = ()
    """Boxes of single words, as in the field `grounding`."""


class Entity(NamedTuple):
    """An object that a caption names."""

    label: str
    """Its name, without an article."""
    span: Span
    """The characters that a picture of it can replace."""
    box: Box | None = None
    """In pixels; None if it is not known yet."""
    polygons: Sequence[Any] = ()
    mask: Mapping[str, Any] = {}


class EntityFinder(Protocol):
    """Finds the objects that a caption names, in the order of the caption. Spans may overlap."""

    async def find(self, picture: CaptionedPicture, *, record: str) -> list[Entity]:
        """The objects that the caption of the record with this id names; the list may be empty.

        Raises `DataError` if there is no answer; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
