"""What tells an edit in words: an object and its surroundings in, an instruction out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import pydantic

from datagen.core.fields import Box
from datagen.core.stage import Lent
from datagen.models.base import ModelConfig
from datagen.models.language.asking import AskingConfig
from datagen.models.language.prompt import Kind

if TYPE_CHECKING:
    from datagen.imaging.image import Image


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
    """An instruction in two sentences, which asserts `relations` about other objects, and no others."""

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

    async def write(self, layout: Layout, *, target: Image, record: str, rng: np.random.Generator) -> Written:
        """The instruction of a record, by its id; `target` is the picture with the object in it.

        Raises `DataError` where none can be written; see also `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Let go of what it opened."""
        ...


class RulesConfig(ModelConfig):
    """Composes instructions from what the boxes prove."""

    kind: Literal["rules"] = "rules"
    all_annotated: bool = False
    """Whether every object that shares a label with an annotated one is annotated too.

    Only then can "the leftmost of the coins", "the other coin" or "the two cups" be known to be true.
    """

    def load(self, device: str, *, lent: Lent) -> InstructionWriter:  # noqa: ARG002
        """The writer; it needs no device, and nothing of the run."""
        from datagen.models.instructions.rules import RuleWriter

        return RuleWriter(self)


class LanguageWriterConfig(AskingConfig):
    """Has a language model write, and checks the form of what it wrote; that it is true is not checked."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {
        "subject": "text",
        "attributes": "text",
        "others": "text",
        **dict.fromkeys(("x", "y", "w", "h", "width", "height"), "number"),
    }
    """`x` and `y` are the box's left and upper edge, all numbers are pixels."""

    prompt: str = "write_instruction"
    picture: Literal["target", "none"] = "target"
    """What it is shown: the picture with the object, or nothing, for models that read text alone."""

    def load(self, device: str, *, lent: Lent) -> InstructionWriter:
        """The writer. Raises `SetupError` if its model cannot be used."""
        from datagen.models.instructions.language import LanguageWriter

        return LanguageWriter(self, self.model.load(device, lent=lent))


InstructionWriterConfig = Annotated[RulesConfig | LanguageWriterConfig, pydantic.Field(discriminator="kind")]
"""Every kind of writer, told apart by `kind`."""
