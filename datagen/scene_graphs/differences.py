"""Which edits lead from one graph to another, and their words."""

from __future__ import annotations

from collections.abc import Iterator

from datagen.core.errors import DataError
from datagen.scene_graphs.edit_words import write_edit
from datagen.scene_graphs.edits import Add, Change, GraphEdit, Move, Recount, Remove, Swap, apply_edit
from datagen.scene_graphs.graph import GraphObject, GraphRelation, SceneGraph, same_graph


def edits_between(before: SceneGraph, after: SceneGraph) -> list[GraphEdit]:
    """The edits that lead from one graph to another, whose nodes correspond by their ids.

    Nodes are removed first, then changed, then added in the order of `after`, then moved. Raises `DataError` if no
    edits do so: an attribute is only given up, or the background, the style or a relation that is none of position
    differs.
    """
    edits = [*_removals(before, after), *_changes(before, after), *_additions(before, after), *_moves(before, after)]
    graph = before
    for edit in edits:
        graph = apply_edit(edit, graph)
    if not same_graph(graph, after):
        raise DataError("no edits lead from one graph to the other: they differ in more than objects and positions")
    return edits


def write_edits(before: SceneGraph, after: SceneGraph) -> str:
    """An instruction that leads from one graph to another, a sentence for each edit; '' if they are equal.

    Raises `DataError` if no edits do so, or if a thing cannot be named.
    """
    sentences, graph = [], before
    for edit in edits_between(before, after):
        sentences.append(write_edit(edit, graph))
        graph = apply_edit(edit, graph)
    return " ".join(sentences)


def write_return(id: str, *, beside: str, before: SceneGraph, after: SceneGraph) -> str:
    """The instruction that moves a node back to where `after` has it beside another one, which stays where it is.

    `write_edits` might move the other one. Errors as of `write_edit`.
    """
    ends = {id, beside}
    edges = tuple(edge for edge in after.relations if {edge.subject, edge.object} == ends)
    return write_edit(Move(id, edges), before)


def _removals(before: SceneGraph, after: SceneGraph) -> Iterator[GraphEdit]:
    return (Remove(id=node.id) for node in before.objects if after.get(node.id) is None)


def _changes(before: SceneGraph, after: SceneGraph) -> Iterator[GraphEdit]:
    for node in after.objects:
        old = before.get(node.id)
        if old and old.label != node.label:
            yield Swap(id=node.id, node=node)
        elif old:
            yield from _changes_of(old, node)


def _changes_of(old: GraphObject, new: GraphObject) -> Iterator[GraphEdit]:
    for each in new.attributes:
        if old.get(each.kind) != each.value:
            yield Change(id=new.id, attribute=each)
    if old.count != new.count:
        yield Recount(id=new.id, count=new.count)


def _additions(before: SceneGraph, after: SceneGraph) -> Iterator[GraphEdit]:
    present = {node.id for node in before.objects if after.get(node.id)}
    for node in after.objects:
        if node.id not in present:
            yield Add(node=node, relations=_between(node.id, present, after))
            present.add(node.id)


def _moves(before: SceneGraph, after: SceneGraph) -> Iterator[GraphEdit]:
    """Moves of nodes that both graphs have; a pair whose relations differ is moved once, by its first node."""
    common = {node.id for node in before.objects if after.get(node.id)}
    settled: set[str] = set()
    for id in (node.id for node in after.objects if node.id in common):
        others = {
            other
            for other in common - settled - {id}
            if set(_between(id, {other}, before)) != set(_between(id, {other}, after))
        }
        settled.add(id)
        if others:
            yield Move(id=id, relations=_between(id, others, after))


def _between(id: str, others: set[str], graph: SceneGraph) -> tuple[GraphRelation, ...]:
    return tuple(
        edge
        for edge in graph.relations
        if (edge.subject == id and edge.object in others) or (edge.object == id and edge.subject in others)
    )
