"""What tells an edit in words: an object and its surroundings in, an instruction out."""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import numpy as np

from datagen.fields import Box
from datagen.models.base import ModelConfig


class Thing(NamedTuple):
    """One object of a picture; its label and attributes are whatever the annotator typed."""

    label: str
    box: Box
    attributes: tuple[str, ...] = ()


class Layout(NamedTuple):
    """A picture's `size` (width, height), the object to be added, and the objects that are there already."""

    size: tuple[int, int]
    subject: Thing
    others: tuple[Thing, ...] = ()


class Relation(NamedTuple):
    """How one object stands to another, both by their labels as annotated."""

    subject: str
    predicate: str
    object: str


class Written(NamedTuple):
    """An instruction in two sentences, which asserts exactly `relations` about other objects."""

    instruction: str
    """With one `<imagehere>` for the object and one for the picture, in that order."""
    text: str
    """The same in plain words."""
    relations: tuple[Relation, ...]


class InstructionWriter(Protocol):
    """Writes the instruction of a subject addition, in the form of MIGE's table 5.

    It starts "Add <imagehere> to the [position] of <imagehere>" and tells the
    object's size, position and relation to its surroundings, in two sentences.
    """

    def __call__(self, layouts: list[Layout], rngs: list[np.random.Generator]) -> list[Written]:
        """One answer for each layout, drawn with the random numbers of the same index."""


class RulesConfig(ModelConfig):
    """Composes instructions from what the boxes prove."""

    kind: Literal["rules"] = "rules"
    all_annotated: bool = False
    """Whether every object that shares a label with an annotated one is annotated too.

    Only then can "the leftmost of the coins", "the other coin" or "the two cups" be known to be true.
    """

    def load(self, device: str) -> InstructionWriter:  # noqa: ARG002
        """The writer; it needs no device."""
        from datagen.models.rule_writer import RuleWriter

        return RuleWriter(self)


InstructionWriterConfig = RulesConfig
"""Every kind of writer, told apart by `kind`."""
