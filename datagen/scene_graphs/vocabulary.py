"""Words for what a graph does not have: the objects and attributes of detours and faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from datagen.core.draws import Draws
from datagen.scene_graphs.graph import Attribute, GraphObject, SceneGraph


class Vocabulary(NamedTuple):
    """What else a picture might show."""

    labels: tuple[str, ...] = ()
    """Names of objects, nouns in the singular."""
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Values by kind of attribute, such as `("colour", ("red", "blue"))`."""

    def other_labels(self, graph: SceneGraph) -> list[str]:
        """The labels that no node of a graph has."""
        known = {node.label for node in graph.objects}
        return [label for label in self.labels if label not in known]

    def other_values(self, kind: str, label: str, *, graph: SceneGraph) -> list[str]:
        """The values of a kind of attribute that no node with this label has in a graph.

        Kinds that the vocabulary does not list have the values that other nodes of the graph have.
        """
        taken = {node.get(kind) for node in graph.objects if node.label == label}
        known = dict(self.values).get(kind) or _values_in(graph, kind)
        return [value for value in dict.fromkeys(known) if value not in taken]

    def strange_object(self, graph: SceneGraph, draws: Draws, *, id: str) -> GraphObject | None:
        """An object with a label that the graph has not, with attributes of the kinds that a node of it has.

        None if the vocabulary has no such label.
        """
        labels = self.other_labels(graph)
        if not labels:
            return None
        like = draws.choose(graph.objects).attributes if graph.objects else ()
        attributes = (Attribute(kind=each.kind, value=self._any_value(each, draws)) for each in like)
        return GraphObject(id=id, label=draws.choose(labels), attributes=tuple(attributes))

    def _any_value(self, attribute: Attribute, draws: Draws) -> str:
        return draws.choose(dict(self.values).get(attribute.kind) or (attribute.value,))


def _values_in(graph: SceneGraph, kind: str) -> Iterator[str]:
    return (node.get(kind) for node in graph.objects if node.get(kind))


PLAIN: Final = Vocabulary(
    values=(
        ("colour", ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "grey")),
        ("size", ("small", "large")),
    )
)
"""Values that things of most kinds may have."""


def free_id(graph: SceneGraph) -> str:
    """An id that no node of a graph has."""
    taken = {node.id for node in graph.objects}
    return next(id for number in range(1, len(taken) + 2) if (id := f"x{number}") not in taken)


def with_value(node: GraphObject, kind: str, value: str) -> GraphObject:
    """A node with another value of one kind of attribute; '' leaves the attribute out."""
    changed = (
        each if each.kind != kind else each.model_copy(update={"value": value})
        for each in node.attributes
        if each.kind != kind or value
    )
    return node.model_copy(update={"attributes": tuple(changed)})
