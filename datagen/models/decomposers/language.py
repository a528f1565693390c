"""Instructions decomposed by a language model, whose names are held to the instruction's own words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from datagen.core.stage import Runtime
from datagen.models.decomposers.base import InstructionDecomposer
from datagen.models.grammar import Cue, EditPart, Operation, pluralize
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig


class LanguageDecomposerConfig(LanguageRoleConfig):
    """Asks a language model; names that are not words of the instruction make it `unknown`."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"text": "text"}

    prompt: str = "decompose_instruction"

    def load(self, device: str, *, runtime: Runtime) -> InstructionDecomposer:
        """The decomposer. Raises `SetupError` if its model cannot be used."""
        return LanguageDecomposer(self, self.model.load(device, runtime=runtime))


_MOST = 24
_Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class PartForm(AnswerForm):
    """One edit of one thing."""

    op: Operation
    object: _Name
    renamed_to: _Name
    refers_to: Annotated[list[_Name], Field(max_length=_MOST)]
    count: Annotated[int, Field(ge=0, le=100)]
    cues: Annotated[list[Cue], Field(max_length=5)]


class PartsForm(AnswerForm):
    """What the model has to give."""

    parts: Annotated[list[PartForm], Field(min_length=1, max_length=_MOST)]


class LanguageDecomposer:
    """Asks a model, and accepts only names that the instruction has."""

    def __init__(self, config: LanguageDecomposerConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def decompose(self, text: str, *, record: str) -> list[EditPart]:
        """See `InstructionDecomposer`."""
        reply = await self._model(self._prompt.render({"text": text}), shape=PartsForm, draw=Draw(record))
        return verify_parts([_part_of(form) for form in reply.value.parts], text=text)

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()


def _part_of(form: PartForm) -> EditPart:
    """A form as a part; cues in the order of their list, each once."""
    cues = tuple(dict.fromkeys(form.cues))
    return EditPart(form.op, form.object, form.renamed_to, tuple(form.refers_to), form.count, cues)


def verify_parts(parts: list[EditPart], *, text: str) -> list[EditPart]:
    """The parts as they are, or one `unknown` part if a name has a word that the instruction has not.

    A singular counts where the instruction has the plural. Whatever text in the data makes a model say can only make
    the instruction unknown.
    """
    known = set(_words(text))
    names = [name for part in parts for name in (part.object, part.renamed_to, *part.refers_to)]
    if all(word in known or pluralize(word) in known for name in names for word in _words(name)):
        return parts
    return [EditPart("unknown", "", "", (), 1, ())]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
