"""What a graph says, whatever ids its nodes have and whatever order nodes and relations stand in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from datagen.scene_graphs.graph import OPPOSITES, GraphObject, SceneGraph

_MOST_LEAVES = 200
"""Orders that are compared at most; beyond it the order of nodes that nothing tells apart may depend on their ids."""

Edges = Mapping[str, tuple[tuple[str, str], ...]]
"""By node: each relation as seen from it, as predicate and the other node."""


def content_of(node: GraphObject) -> str:
    """A digest of what a node says by itself: its label, count and attributes."""
    return _digest(node.label, node.count, *sorted({(each.kind, each.value) for each in node.attributes}))


def canonical_ids(graph: SceneGraph) -> tuple[str, ...]:
    """The ids of the nodes in an order that their content and relations decide.

    `A left of B` and `B right of A` are one relation. Graphs of equal content give orders in which corresponding
    nodes have equal places.
    """
    return _canonical(graph)[1]


def content_key(graph: SceneGraph) -> str:
    """A digest that graphs of equal content share, whatever their ids and order, and the ends of relations."""
    return _digest(_canonical(graph)[0], graph.background, graph.style)


def same_content(one: SceneGraph, other: SceneGraph) -> bool:
    """Whether two graphs say the same, whatever their ids and order, and the ends that relations are read from."""
    return content_key(one) == content_key(other)


def _canonical(graph: SceneGraph) -> tuple[str, tuple[str, ...]]:
    edges = _edges(graph)
    best: tuple[str, tuple[str, ...]] | None = None
    first = _refined({node.id: content_of(node) for node in graph.objects}, edges)
    pending, leaves = [first], 0
    while pending and leaves < _MOST_LEAVES:
        colours = pending.pop()
        tied = _first_tie(colours)
        if tied:
            pending += [_refined({**colours, id: _digest(colours[id], "first")}, edges) for id in _unlike(tied, edges)]
            continue
        leaves += 1
        order = tuple(sorted(colours, key=colours.__getitem__))
        candidate = _certificate(graph, order, edges), order
        best = candidate if best is None else min(best, candidate, key=lambda each: each[0])
    return best or ("", ())


def _edges(graph: SceneGraph) -> Edges:
    edges: dict[str, set[tuple[str, str]]] = {node.id: set() for node in graph.objects}
    for edge in graph.relations:
        edges[edge.subject].add((edge.predicate, edge.object))
        edges[edge.object].add((OPPOSITES.get(edge.predicate, f"is object of {edge.predicate}"), edge.subject))
    return {id: tuple(sorted(ends)) for id, ends in edges.items()}


def _refined(colours: dict[str, str], edges: Edges) -> dict[str, str]:
    """Digests that tell apart whatever the digests of neighbours tell apart (Weisfeiler and Leman)."""
    while True:
        finer = {
            id: _digest(colour, *sorted((predicate, colours[other]) for predicate, other in edges[id]))
            for id, colour in colours.items()
        }
        if len(set(finer.values())) == len(set(colours.values())):
            return finer
        colours = finer


def _first_tie(colours: Mapping[str, str]) -> list[str]:
    """The ids of the least digest that several nodes share."""
    groups: dict[str, list[str]] = {}
    for id, colour in colours.items():
        groups.setdefault(colour, []).append(id)
    return min(((colour, ids) for colour, ids in groups.items() if len(ids) > 1), default=("", []))[1]


def _unlike(tied: list[str], edges: Edges) -> list[str]:
    """One of each set of tied nodes that can be exchanged and leave the graph as it is."""
    chosen: list[str] = []
    for id in tied:
        if not any(_exchangeable(id, other, edges) for other in chosen):
            chosen.append(id)
    return chosen


def _exchangeable(one: str, other: str, edges: Edges) -> bool:
    """Whether exchanging two nodes of equal content changes no relation."""
    swapped = {one: other, other: one}
    return {(p, swapped.get(end, end)) for p, end in edges[one]} == set(edges[other])


def _certificate(graph: SceneGraph, order: tuple[str, ...], edges: Edges) -> str:
    """A digest of the whole graph, written in an order of its nodes."""
    place = {id: number for number, id in enumerate(order)}
    nodes = {node.id: node for node in graph.objects}
    rows: Iterable[object] = (
        (content_of(nodes[id]), sorted((predicate, place[end]) for predicate, end in edges[id])) for id in order
    )
    return _digest(*rows)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
