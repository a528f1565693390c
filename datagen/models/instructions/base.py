"""What tells an edit in words: an object and its surroundings in, an instruction out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from datagen.core.fields import Box

if TYPE_CHECKING:
    from datagen.imaging.image import Image


class PictureObject(NamedTuple):
    """One object of a picture; its label and attributes are whatever the annotator typed."""

    label: str
    box: Box
    attributes: tuple[str, ...] = ()


class PictureLayout(NamedTuple):
    """A picture's `size` (width, height), the object to be added, and the objects that are there already."""

    size: tuple[int, int]
    subject: PictureObject
    others: tuple[PictureObject, ...] = ()


class StatedRelation(NamedTuple):
    """How one object stands to another, both by their labels as annotated."""

    subject: str
    predicate: str
    object: str


class Instruction(NamedTuple):
    """An instruction in two sentences, which asserts `relations` about other objects, and no others."""

    instruction: str
    """With one `<imagehere>` for the object and one for the picture, in that order."""
    text: str
    """The same in plain words."""
    relations: tuple[StatedRelation, ...]


class InstructionWriter(Protocol):
    """Writes the instruction of a subject addition, in the form of MIGE's table 5.

    It starts "Add <imagehere> to the [position] of <imagehere>" and tells the
    object's size, position and relation to its surroundings, in two sentences.
    """

    async def write(
        self, layout: PictureLayout, *, target: Image, record: str, rng: np.random.Generator
    ) -> Instruction:
        """The instruction of a record, by its id; `target` is the picture with the object in it.

        Raises `DataError` where none can be written; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...
