"""A scene graph, its parts, and the atoms that a picture of it has to show."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

from pydantic import Field

from datagen.core.errors import DataError
from datagen.core.options import Options

LONGEST_NAME: Final = 200
"""Most characters of a label, an attribute's value, or a predicate."""
MOST_NODES: Final = 100
"""Most objects of a graph, and most relations."""


class Attribute(Options):
    """What an object is like."""

    kind: str = Field(min_length=1, max_length=LONGEST_NAME)
    """Which property this is: `colour`, `size`, `material`, `texture`, `state`, or another word."""
    value: str = Field(min_length=1, max_length=LONGEST_NAME)
    """Its value, such as `red`."""


class GraphObject(Options):
    """One node: one thing, or several equal ones."""

    id: str = Field(min_length=1, max_length=LONGEST_NAME)
    """Names the node in its graph; means nothing beyond it."""
    label: str = Field(min_length=1, max_length=LONGEST_NAME)
    """What it is, a noun in the singular."""
    count: int = Field(default=1, ge=1, le=1000)
    """How many there are."""
    attributes: tuple[Attribute, ...] = Field(default=(), max_length=MOST_NODES)
    """What each of them is like."""

    def get(self, kind: str) -> str:
        """The value of a kind of attribute; '' if it has none."""
        return next((each.value for each in self.attributes if each.kind == kind), "")


class GraphRelation(Options):
    """One edge: how each thing of one node stands to each thing of another."""

    subject: str = Field(min_length=1, max_length=LONGEST_NAME)
    """The id of a node."""
    predicate: str = Field(min_length=1, max_length=LONGEST_NAME)
    """One of `PREDICATES`, or other words, such as `holding`."""
    object: str = Field(min_length=1, max_length=LONGEST_NAME)
    """The id of another node."""


POSITIONS: Final = ("left of", "right of", "above", "below")
"""Predicates that boxes can show."""
OPPOSITES: Final = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "in front of": "behind",
    "behind": "in front of",
    "on": "under",
    "under": "on",
}
"""The same relation, read from its other end."""
AtomKind = Literal["object", "count", "attribute", "relation"]


class Atom(NamedTuple):
    """One thing that a picture of a graph shows or not; it can be asked and judged alone."""

    kind: AtomKind
    subject: str
    """The id of its node."""
    value: str = ""
    """The number of things of a count, the value of an attribute, the predicate of a relation; '' for an object."""
    attribute: str = ""
    """The kind of an attribute."""
    object: str = ""
    """The id of the other node of a relation."""


class SceneGraph(Options):
    """What a picture shows. Its row, as in the field `graph`, is `graph.model_dump(mode="json")`.

    Ids are unique, and each relation is between two nodes of the graph (`check_graph` says which is not; a graph as a
    model wrote it may be wrong, so this class does not refuse it).
    """

    objects: tuple[GraphObject, ...] = Field(default=(), max_length=MOST_NODES)
    relations: tuple[GraphRelation, ...] = Field(default=(), max_length=MOST_NODES)
    background: str = Field(default="", max_length=LONGEST_NAME)
    """Where it is, such as `in a kitchen`; '' if nothing is said."""
    style: str = Field(default="", max_length=LONGEST_NAME)
    """How it is drawn, such as `an oil painting`; '' if nothing is said."""

    def row(self) -> dict[str, Any]:
        """The graph as plain data; `SceneGraph.model_validate` reads it."""
        return self.model_dump(mode="json")

    def get(self, id: str) -> GraphObject | None:
        """The node with an id; None if there is none."""
        return next((node for node in self.objects if node.id == id), None)

    def node(self, id: str) -> GraphObject:
        """The node with an id. Raises `DataError` if there is none."""
        node = self.get(id)
        if node is None:
            known = ", ".join(each.id for each in self.objects) or "none"
            raise DataError(f"the graph has no object '{id}'; its objects: {known}")
        return node

    def with_node(self, node: GraphObject, *, instead_of: str = "") -> SceneGraph:
        """The graph with a node in the place of the one that has its id, or the id `instead_of`; relations stay."""
        id = instead_of or node.id
        return self.model_copy(update={"objects": tuple(node if each.id == id else each for each in self.objects)})

    def atoms(self) -> Iterator[Atom]:
        """Its atoms: each object, the count of each label, each attribute, each relation.

        The count of a label is that of all nodes with this label together, said of the first one: a picture of a red
        and a blue circle shows two circles.
        """
        counted = set()
        for node in self.objects:
            yield Atom("object", node.id)
            if node.label not in counted:
                counted.add(node.label)
                yield Atom(
                    "count", node.id, str(sum(other.count for other in self.objects if other.label == node.label))
                )
            for each in node.attributes:
                yield Atom("attribute", node.id, each.value, each.kind)
        for edge in self.relations:
            yield Atom("relation", edge.subject, edge.predicate, object=edge.object)

    def complexity(self) -> int:
        """Its number of atoms as benchmarks count them: a count only where there are several (GenEval 2)."""
        several = sum(node.count > 1 for node in self.objects)
        return len(self.objects) + several + sum(len(node.attributes) for node in self.objects) + len(self.relations)

    def subgraph(self, ids: Collection[str]) -> SceneGraph:
        """The part that is made of some nodes, in their order here, with all relations between them."""
        return self.model_copy(
            update={
                "objects": tuple(node for node in self.objects if node.id in ids),
                "relations": tuple(edge for edge in self.relations if edge.subject in ids and edge.object in ids),
            }
        )

    def components(self) -> list[set[str]]:
        """The ids of each connected part, in the order of their first nodes."""
        parts: list[set[str]] = [{node.id} for node in self.objects]
        for edge in self.relations:
            touched = [part for part in parts if edge.subject in part or edge.object in part]
            for one, other in pairwise(touched):
                other |= one
                parts.remove(one)
        return parts


def same_graph(one: SceneGraph, other: SceneGraph) -> bool:
    """Whether two graphs have the same nodes under the same ids, and the same relations, in any order."""
    return (
        {node.id: _content(node) for node in one.objects} == {node.id: _content(node) for node in other.objects}
        and set(one.relations) == set(other.relations)
        and (one.background, one.style) == (other.background, other.style)
    )


def _content(node: GraphObject) -> tuple[str, int, frozenset[tuple[str, str]]]:
    return node.label, node.count, frozenset((each.kind, each.value) for each in node.attributes)
