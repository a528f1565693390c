"""Edits of scene graphs, and graphs after them; `edit_words` words and reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from datagen.core.errors import DataError
from datagen.scene_graphs.graph import OPPOSITES, Attribute, GraphObject, GraphRelation, SceneGraph

_MOST_THINGS: Final = 1000


class Add(NamedTuple):
    """A new node, with its relations to nodes that are there."""

    node: GraphObject
    relations: tuple[GraphRelation, ...] = ()
    """Each has the new node at one end."""


class Remove(NamedTuple):
    """A node goes, with all of its relations."""

    id: str


class Swap(NamedTuple):
    """Another node in the place of one; it takes over all relations."""

    id: str
    node: GraphObject
    """Its id may be that of the node it replaces."""


class Change(NamedTuple):
    """A node gets an attribute, in place of the ones of this kind that it has."""

    id: str
    attribute: Attribute


class Recount(NamedTuple):
    """Another number of things of a node."""

    id: str
    count: int  # type: ignore[assignment]  # hides `tuple.count`, which nobody calls


class Move(NamedTuple):
    """A node goes to another place: its new relations to the nodes named replace those of place between them.

    Relations of place are those in `OPPOSITES`; others, such as `holding`, stay.
    """

    id: str
    relations: tuple[GraphRelation, ...]
    """Each has the node at one end."""


GraphEdit = Add | Remove | Swap | Change | Recount | Move
"""Every kind of edit."""


def apply_edit(edit: GraphEdit, graph: SceneGraph) -> SceneGraph:
    """The graph after an edit. Raises `DataError` if the edit does not fit it, such as for an unknown id."""
    if isinstance(edit, Add):
        return _added(edit, graph)
    node = graph.node(edit.id)
    if isinstance(edit, Remove):
        return graph.subgraph({other.id for other in graph.objects if other.id != node.id})
    if isinstance(edit, Swap):
        return _swapped(edit, graph)
    if isinstance(edit, Move):
        return _moved(edit, graph)
    if isinstance(edit, Change):
        rest = [each for each in node.attributes if each.kind != edit.attribute.kind]
        return graph.with_node(node.model_copy(update={"attributes": (*rest, edit.attribute)}))
    if not 1 <= edit.count <= _MOST_THINGS:
        raise DataError(f"'{edit.id}' cannot become {edit.count} things; 1 to {_MOST_THINGS} can be, or it is removed")
    return graph.with_node(node.model_copy(update={"count": edit.count}))


def _added(edit: Add, graph: SceneGraph) -> SceneGraph:
    if graph.get(edit.node.id):
        raise DataError(f"the graph has an object '{edit.node.id}' already; the new one needs another id")
    _check_ends(edit.node.id, edit.relations, graph)
    return graph.model_copy(
        update={"objects": (*graph.objects, edit.node), "relations": (*graph.relations, *edit.relations)}
    )


def _check_ends(id: str, relations: Sequence[GraphRelation], graph: SceneGraph) -> None:
    for edge in relations:
        other = edge.object if edge.subject == id else edge.subject
        if id not in (edge.subject, edge.object) or other == id:
            raise DataError(
                f"'{edge.subject}' {edge.predicate} '{edge.object}' is no relation of '{id}' to another one"
            )
        graph.node(other)


def _swapped(edit: Swap, graph: SceneGraph) -> SceneGraph:
    new = edit.node.id
    if new != edit.id and graph.get(new):
        raise DataError(f"the graph has an object '{new}' already; the new one needs another id")
    relations = tuple(
        edge.model_copy(
            update={
                "subject": new if edge.subject == edit.id else edge.subject,
                "object": new if edge.object == edit.id else edge.object,
            }
        )
        for edge in graph.relations
    )
    return graph.with_node(edit.node, instead_of=edit.id).model_copy(update={"relations": relations})


def _moved(edit: Move, graph: SceneGraph) -> SceneGraph:
    _check_ends(edit.id, edit.relations, graph)
    pairs = [{edge.subject, edge.object} for edge in edit.relations]
    rest = [e for e in graph.relations if e.predicate not in OPPOSITES or {e.subject, e.object} not in pairs]
    return graph.model_copy(update={"relations": (*rest, *edit.relations)})
