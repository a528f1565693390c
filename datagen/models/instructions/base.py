"""The protocol of instruction writers: they take an object and its surroundings, and return an instruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from datagen.core.fields import Box
from datagen.imaging.rle import RunLengthMask

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class PictureObject(NamedTuple):
    """One object of a picture. Its label and attributes are as the annotator typed them."""

    label: str
    box: Box
    attributes: tuple[str, ...] = ()
    number: int | None = None
    """Its place in the record's `instances`, from 0; None if it is not there."""
    mask: RunLengthMask | None = None
    """Its pixels where they are known; then `box` is the smallest box around them."""


class PictureLayout(NamedTuple):
    """The `size` of a picture (width, height in pixels), the object to add, and the objects that are already there."""

    size: tuple[int, int]
    subject: PictureObject
    others: tuple[PictureObject, ...] = ()


class StatedRelation(NamedTuple):
    """A relation between two objects that an instruction states.

    Objects are given by their annotated labels and by `number`; None for an object where no single one is known.
    """

    subject: str
    predicate: str
    object: str
    subject_id: int | None = None
    object_id: int | None = None


def stated_relation(subject: PictureObject, predicate: str, other: PictureObject) -> StatedRelation:
    """The relation between two objects of a layout."""
    return StatedRelation(subject.label, predicate, other.label, subject.number, other.number)


class Instruction(NamedTuple):
    """An instruction of two sentences. `relations` are all the relations to other objects that it states."""

    instruction: str
    """The text with one `<imagehere>` for the object and one for the picture, in this order."""
    text: str
    """The same text in words alone."""
    relations: tuple[StatedRelation, ...]


class InstructionWriter(Protocol):
    """Writes the instruction of a subject addition, in the form of MIGE's table 5.

    It has two sentences. It starts "Add <imagehere> to the [position] of <imagehere>", and describes the object's size,
    its position and its relation to its surroundings.
    """

    async def write(
        self, layout: PictureLayout, *, target: Image, record: str, rng: np.random.Generator
    ) -> Instruction:
        """The instruction of the record with this id; `target` is the picture with the object in it.

        Raises `DataError` if none can be written; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close what it opened."""
        ...
