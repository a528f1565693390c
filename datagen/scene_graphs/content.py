"""Whether two graphs show the same, whatever their ids and the order of their parts are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from datagen.scene_graphs.graph import GraphObject, SceneGraph

Edges = frozenset[tuple[str, str, str]]
"""Subject, predicate and object of each relation, once."""


def same_content(one: SceneGraph, other: SceneGraph) -> bool:
    """Whether the nodes of two graphs can be paired so that everything but ids and order is equal.

    A relation that a graph has twice counts once. Ids have to be unique, and each end of a relation has to be a node.
    """
    if (one.background, one.style, len(one.objects)) != (other.background, other.style, len(other.objects)):
        return False
    ours, theirs = content_keys(one), content_keys(other)
    if sorted(ours.values()) != sorted(theirs.values()):
        return False
    # Being equal is transitive, so the first part that fits may be taken, and no choice is ever taken back.
    left = [_in_order(part, other) for part in other.components()]
    for part in one.components():
        fit = next((found for found in left if _is_equal(_in_order(part, one), found, one, other, ours, theirs)), None)
        if fit is None:
            return False
        left.remove(fit)
    return True


def node_content(node: GraphObject) -> tuple[str, int, tuple[tuple[str, str], ...]]:
    """What a node says without its id: label, count, and attributes by kind and value."""
    return node.label, node.count, tuple(sorted({(each.kind, each.value) for each in node.attributes}))


def content_keys(graph: SceneGraph) -> dict[str, str]:
    """A key for each id, made of what its node says and of all that is around it, never of ids or order.

    Nodes of equal keys play the same role, in one graph or in two (colour refinement; regular graphs aside).
    """
    keys = {node.id: _digest(node_content(node)) for node in graph.objects}
    edges = _edges(graph)
    for _ in graph.objects:
        out: dict[str, list[tuple[str, int, str]]] = {id: [] for id in keys}
        for subject, predicate, object in edges:
            out[subject].append((predicate, 0, keys[object]))
            out[object].append((predicate, 1, keys[subject]))
        finer = {id: _digest((keys[id], sorted(around))) for id, around in out.items()}
        done = len(set(finer.values())) == len(set(keys.values()))
        keys = finer
        if done:
            break
    return keys


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:32]


def _edges(graph: SceneGraph) -> Edges:
    return frozenset((edge.subject, edge.predicate, edge.object) for edge in graph.relations)


def _in_order(part: set[str], graph: SceneGraph) -> list[str]:
    """The ids of a connected part, each but the first beside one before it."""
    order = [next(node.id for node in graph.objects if node.id in part)]
    for id in order:
        beside = [e.object if e.subject == id else e.subject for e in graph.relations if id in (e.subject, e.object)]
        order.extend(dict.fromkeys(other for other in beside if other not in order))
    return order


def _is_equal(
    part: Sequence[str],
    found: Sequence[str],
    one: SceneGraph,
    other: SceneGraph,
    ours: Mapping[str, str],
    theirs: Mapping[str, str],
) -> bool:
    """Whether the nodes of one connected part can be paired with those of another."""
    edges, wanted = _edges(one.subgraph(part)), _edges(other.subgraph(found))
    if len(part) != len(found) or len(edges) != len(wanted):
        return False

    def extend(pairs: dict[str, str]) -> bool:
        if len(pairs) == len(part):
            return True
        id = part[len(pairs)]
        for partner in found:
            if partner in pairs.values() or ours[id] != theirs[partner]:
                continue
            more = {**pairs, id: partner}
            near = [edge for edge in edges if id in (edge[0], edge[2]) and edge[0] in more and edge[2] in more]
            if all((more[s], p, more[o]) in wanted for s, p, o in near) and extend(more):
                return True
        return False

    return extend({})
