"""Captions parsed by a language model, in one call a caption."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from datagen.core.stage import Runtime
from datagen.models.graph_parsers.base import GraphParser
from datagen.models.language.base import AnswerForm, Draw, LanguageModel
from datagen.models.language.prompt import Kind
from datagen.models.language.role_config import LanguageRoleConfig
from datagen.scene_graphs.graph import LONGEST_NAME, Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.lexicon import KIND_OF, PREDICATES
from datagen.scene_graphs.reading import NotUnderstoodError


class LanguageGraphParserConfig(LanguageRoleConfig):
    """Asks a language model, whose answer is held to a schema."""

    kind: Literal["language"] = "language"
    slots: ClassVar[Mapping[str, Kind]] = {"caption": "text"}
    prompt: str = "parse_graph"

    def load(self, device: str, *, runtime: Runtime) -> GraphParser:
        """The parser. Raises `SetupError` if its model cannot be used."""
        return LanguageGraphParser(self, self.model.load(device, runtime=runtime))


_MOST = 30
_Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)]
_Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_NAME)]
_Number = Annotated[int, Field(ge=1, le=_MOST)]


class GraphAttributeForm(AnswerForm):
    """What an object is like."""

    kind: _Words
    value: _Words


class GraphObjectForm(AnswerForm):
    """One object, or several equal ones."""

    label: _Words
    count: Annotated[int, Field(ge=1, le=1000)]
    attributes: Annotated[list[GraphAttributeForm], Field(max_length=_MOST)]


class GraphRelationForm(AnswerForm):
    """How one object stands to another, both by their numbers in `objects`, from 1."""

    subject: _Number
    predicate: _Words
    object: _Number


class GraphForm(AnswerForm):
    """What the model has to give."""

    objects: Annotated[list[GraphObjectForm], Field(max_length=_MOST)]
    relations: Annotated[list[GraphRelationForm], Field(max_length=_MOST)]
    background: _Text
    style: _Text


class LanguageGraphParser:
    """Asks a model. A relation to a number that no object has stays in the graph, so that its check finds it."""

    def __init__(self, config: LanguageGraphParserConfig, model: LanguageModel) -> None:
        self._model = model
        self._prompt = config.read_prompt()

    async def parse(self, caption: str, *, record: str) -> SceneGraph:
        """See `GraphParser`."""
        reply = await self._model(self._prompt.render({"caption": caption}), shape=GraphForm, draw=Draw(record))
        if not reply.value.objects:
            raise NotUnderstoodError("not understood: the model found no object in the caption")
        return _graph_of(reply.value)

    async def close(self) -> None:
        """Close the model's connections."""
        await self._model.close()


def _kind(form: GraphAttributeForm) -> str:
    """The lexicon's kind of a value that it knows: its words are then plain ("a silver spoon")."""
    return KIND_OF.get(form.value.lower(), form.kind.lower())


def _graph_of(form: GraphForm) -> SceneGraph:
    objects = tuple(
        GraphObject(
            id=f"o{number}",
            label=each.label,
            count=each.count,
            attributes=tuple(Attribute(kind=_kind(one), value=one.value) for one in each.attributes),
        )
        for number, each in enumerate(form.objects, 1)
    )
    relations = tuple(
        GraphRelation(subject=f"o{each.subject}", predicate=_predicate(each.predicate), object=f"o{each.object}")
        for each in form.relations
    )
    return SceneGraph(objects=objects, relations=relations, background=form.background, style=form.style)


def _predicate(words: str) -> str:
    """A predicate in the spelling of graphs: `to the left of` is `left of`."""
    plain = " ".join(words.lower().split()).removeprefix("is ").removeprefix("are ")
    return PREDICATES.get(plain, plain)
