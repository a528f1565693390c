"""Instructions by a language model. Their form is checked; whether they are true is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, StringConstraints, field_validator

from datagen.core.fields import PLACEHOLDER, Box
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.grammar import noun
from datagen.models.instructions.base import Instruction, InstructionWriter, PictureLayout, StatedRelation
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageWriterConfig(LanguageRoleConfig):
    """Has a language model write, and checks the form of what it wrote; that it is true is not checked."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {
        "subject": "text",
        "attributes": "text",
        "others": "text",
        **dict.fromkeys(("x", "y", "w", "h", "width", "height"), "number"),
    }
    """`x` and `y` are the left and upper edge of the box. All numbers are pixels."""

    prompt: str = "write_instruction"
    picture: Literal["target", "none"] = "target"
    """What it is shown: the picture with the object, or nothing, for models that read text alone."""

    def load(self, device: str, *, runtime: Runtime) -> InstructionWriter:
        """The writer. Raises `SetupError` if its model cannot be used."""
        return LanguageWriter(self, self.model.load(device, runtime=runtime))


OPENING = f"Add {PLACEHOLDER} to the "
LONGEST = 600
"""Most characters of an instruction; two sentences rarely have half as many."""
_SENTENCE_ENDS = re.compile(r"[.!?](?=\s|$)")

_Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class RelationForm(AnswerForm):
    """One relation, as the model gives it."""

    subject: _Short
    predicate: _Short
    object: _Short


class InstructionForm(AnswerForm):
    """What the model has to give, in the form of MIGE's table 5."""

    instruction: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST)]
    relations: Annotated[list[RelationForm], Field(max_length=20)]

    @field_validator("instruction")
    @classmethod
    def _well_formed(cls, text: str) -> str:
        if not text.startswith(OPENING):
            raise ValueError(f'it has to start with "{OPENING.strip()}"')
        if text.count(PLACEHOLDER) != 2 or _sentences(text)[0].count(PLACEHOLDER) != 2:
            raise ValueError(f"{PLACEHOLDER} has to be there twice, both in the first sentence")
        if re.search(r"[<>{}\n]", text.replace(PLACEHOLDER, "")):
            raise ValueError("it has to be plain text on one line")
        if len(_sentences(text)) > 2:
            raise ValueError("it has to be two sentences")
        return text


class LanguageWriter:
    """Asks a language model, which gets the boxes and, unless the config says no, the picture."""

    def __init__(self, config: LanguageWriterConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()
        self._shows = config.picture == "target"

    async def write(
        self,
        layout: PictureLayout,
        *,
        target: Image,
        record: str,
        rng: np.random.Generator,  # noqa: ARG002
    ) -> Instruction:
        """See `InstructionWriter`."""
        question = self._prompt.render(_values(layout))
        if self._shows:
            question = question._replace(images=(target,))
        reply = await self._model(question, shape=InstructionForm, draw=Draw(record))
        relations = tuple(_stated(one, layout) for one in reply.value.relations)
        return Instruction(reply.value.instruction, _plain(reply.value.instruction, layout), relations)

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()


def _stated(relation: RelationForm, layout: PictureLayout) -> StatedRelation:
    names = (relation.subject, relation.object)
    return StatedRelation(relation.subject, relation.predicate, relation.object, *(_number(n, layout) for n in names))


def _number(name: str, layout: PictureLayout) -> int | None:
    """The number of the one thing with this label; None if there is none, or several."""
    found = [thing for thing in (layout.subject, *layout.others) if thing.label.casefold() == name.casefold()]
    return found[0].number if len(found) == 1 else None


def _values(layout: PictureLayout) -> dict[str, str | float]:
    subject = layout.subject
    x0, y0, x1, y1 = subject.box
    others = "; ".join(f"{thing.label} {_xywh(thing.box)}" for thing in layout.others)
    return {
        "subject": subject.label,
        "attributes": ", ".join(subject.attributes) or "nothing in particular",
        "others": others or "nothing that is annotated",
        **{"x": x0, "y": y0, "w": x1 - x0, "h": y1 - y0},
        **dict(zip(("width", "height"), layout.size, strict=True)),
    }


def _xywh(box: Box) -> str:
    x0, y0, x1, y1 = box
    return f"({x0:.6g}, {y0:.6g}, {x1 - x0:.6g}, {y1 - y0:.6g})"


def _plain(instruction: str, layout: PictureLayout) -> str:
    """The instruction in words alone, with `a cup` rather than `the cup`, as there may be another one."""
    new = noun(layout.subject.label, attributes=layout.subject.attributes).new
    return instruction.replace(PLACEHOLDER, new, 1).replace(PLACEHOLDER, "the picture", 1)


def _sentences(text: str) -> list[str]:
    """The sentences of a text. A full stop ends one only before white space, so that decimal points do not."""
    return [part for part in _SENTENCE_ENDS.split(text) if part.strip()]
