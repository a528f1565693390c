"""Scenes checked by a vision-language model: a question for each atom, all demanded by the schema."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, create_model

from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind, delimited
from datagen.models.language.role_config import LanguageRoleConfig
from datagen.models.scene_checkers.base import SceneChecker
from datagen.scene_graphs.graph import Atom, AtomKind, SceneGraph
from datagen.scene_graphs.matching import AtomVerdict


class LanguageSceneCheckerConfig(LanguageRoleConfig):
    """Asks a vision-language model one question for each atom.

    The questions of a picture share a call, so that it is paid for once; with `atoms_per_call: 1` each is asked alone,
    as TIFA and GenEval 2 do, so that no answer leans on another. Without probabilities of tokens this is TIFA's score,
    not GenEval 2's Soft-TIFA.
    """

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"questions": "json", "number": "number"}

    prompt: str = "check_scene"
    atoms_per_call: int = Field(default=20, ge=1, le=100)
    """Most questions of one call."""

    def load(self, device: str, *, runtime: Runtime) -> SceneChecker:
        """The checker. Raises `SetupError` if its model cannot be used."""
        return LanguageSceneChecker(self, self.model.load(device, runtime=runtime))


_Found = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class HoldsForm(AnswerForm):
    """Whether the picture shows it, and what it shows instead."""

    found: _Found
    holds: bool


class NumberForm(AnswerForm):
    """How many there are."""

    number: Annotated[int, Field(ge=0, le=10_000)]


@cache
def atoms_form(kinds: tuple[AtomKind, ...]) -> type[AnswerForm]:
    """The answer for atoms of these kinds: a key for each, a number for a count.

    A count is compared here, so that a model cannot count rightly and judge wrongly.
    """
    keys: dict[str, Any] = {
        f"question_{n}": (NumberForm if kind == "count" else HoldsForm, ...) for n, kind in enumerate(kinds, 1)
    }
    return create_model("AtomsForm", __base__=AnswerForm, __doc__="An answer to each question.", **keys)


class LanguageSceneChecker:
    """Asks a model that gets the picture and the questions, and never the caption."""

    def __init__(self, config: LanguageSceneCheckerConfig, model: LanguageModel) -> None:
        self._model = model
        self._most = config.atoms_per_call
        self._prompt = config.read_prompt()

    async def check(self, image: Image, graph: SceneGraph, *, record: str) -> list[AtomVerdict]:
        """See `SceneChecker`."""
        atoms = [*graph.atoms()]
        parts = [atoms[n : n + self._most] for n in range(0, len(atoms), self._most)]
        found = await asyncio.gather(
            *(self._ask(image, graph, part, draw=Draw(record, call)) for call, part in enumerate(parts))
        )
        return [verdict for part in found for verdict in part]

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()

    async def _ask(self, image: Image, graph: SceneGraph, atoms: Sequence[Atom], *, draw: Draw) -> list[AtomVerdict]:
        questions = {f"question_{n}": delimited(ask_atom(atom, graph)) for n, atom in enumerate(atoms, 1)}
        question = self._prompt.render({"questions": questions, "number": len(atoms)})._replace(images=(image,))
        reply = await self._model(question, shape=atoms_form(tuple(atom.kind for atom in atoms)), draw=draw)
        return [_verdict(atom, graph, getattr(reply.value, f"question_{n}")) for n, atom in enumerate(atoms, 1)]


def ask_atom(atom: Atom, graph: SceneGraph) -> str:
    """The question of an atom, in words."""
    subject, object = _words(graph, atom.subject), _words(graph, atom.object)
    label = graph.node(atom.subject).label
    if atom.kind == "object":
        return f"Does it show {subject}?"
    if atom.kind == "count":
        return f"How many things does it show that are called {label}?"
    if atom.kind == "attribute":
        return f"Is the {atom.attribute} of {_words(graph, atom.subject, without=atom.attribute)} {atom.value}?"
    return f"How does {subject} stand to {object}: is it {atom.value}?"


def _words(graph: SceneGraph, id: str, *, without: str = "") -> str:
    """A node in words: its number, its attributes but those of a kind, its label."""
    node = graph.get(id)
    if node is None:
        return id
    values = [each.value for each in node.attributes if each.kind != without]
    number = "a thing called" if node.count == 1 else f"each of {node.count} things called"
    return " ".join([number, *values, node.label])


def _verdict(atom: Atom, graph: SceneGraph, answer: Any) -> AtomVerdict:
    label = graph.node(atom.subject).label
    if isinstance(answer, NumberForm):
        return AtomVerdict(atom, f"{atom.value} x {label}", str(answer.number), str(answer.number) == atom.value)
    expected = {"object": label, "attribute": f"{atom.value} {label}"}
    other = graph.get(atom.object)
    relation = f"{label} {atom.value} {other.label if other else atom.object}"
    return AtomVerdict(atom, expected.get(atom.kind, relation), answer.found, answer.holds)
