"""Spoil a graph by exactly one known fault, and say what is wrong and what mends it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final, Literal, NamedTuple, get_args

from datagen.core.draws import Draws
from datagen.core.english import sentence
from datagen.core.errors import DataError
from datagen.scene_graphs.canonical import same_content
from datagen.scene_graphs.checks import check_soundness
from datagen.scene_graphs.critique_sentences import missing_object, wrong_number, wrong_place, wrong_value
from datagen.scene_graphs.differences import write_edits, write_return
from datagen.scene_graphs.edit_words import read_edit
from datagen.scene_graphs.edits import apply_edit
from datagen.scene_graphs.fault_atoms import failing_atoms
from datagen.scene_graphs.graph import OPPOSITES, POSITIONS, Atom, GraphObject, SceneGraph
from datagen.scene_graphs.noun_phrases import noun_phrase
from datagen.scene_graphs.vocabulary import Vocabulary, free_id, with_value
from datagen.scene_graphs.wording import describe, name_of

FaultKind = Literal["count_more", "count_less", "attribute", "relation", "missing", "extra"]
FAULT_KINDS: Final[tuple[FaultKind, ...]] = get_args(FaultKind)
LACKS: Final[tuple[FaultKind, ...]] = ("count_less", "missing")
"""Faults by which there is less than there should be, as there also is in what is not finished."""


class GraphFault(NamedTuple):
    """A graph with one fault."""

    kind: FaultKind
    node: str
    """The id of the node that is wrong; for `relation`, of the one that went astray. Both graphs have it, unless it is
    missing or too many."""
    spoilt: SceneGraph
    failing: tuple[Atom, ...]
    """The atoms of the clean graph that do not hold of a picture of the spoilt one, by the best matching of things to
    nodes (`matching.match_things`); of an object that the clean graph has none of, the atom of that label."""
    critique: str
    """What is wrong."""
    correction: str
    """The instruction that mends it. `read_edit` reads it with the spoilt graph alone."""


class _Spoilt(NamedTuple):
    """A fault before it has words."""

    kind: FaultKind
    node: str
    graph: SceneGraph
    detail: str = ""
    """The kind of the attribute; or the predicate as it should be, as seen from the node."""
    other: str = ""
    """The other node of a relation."""


def faults_of(
    graph: SceneGraph,
    *,
    whole: SceneGraph | None = None,
    vocabulary: Vocabulary | None = None,
    kinds: Collection[FaultKind] = FAULT_KINDS,
    nodes: Collection[str] | None = None,
) -> list[GraphFault]:
    """All faults by which a graph can be spoilt, so that correction and failing atoms are beyond doubt.

    A fault that lacks nothing (`LACKS`) is one of `whole` too, of which the graph is a beginning: no plan of `whole`
    leads through the spoilt graph. `kinds` and the ids `nodes` limit what is spoilt; an object too many has none.
    """
    words = vocabulary or Vocabulary()
    found = (_finished(each, graph, whole or graph) for each in _spoilt(graph, whole or graph, words, kinds, nodes))
    return [fault for fault in found if fault]


def draw_fault(
    graph: SceneGraph,
    draws: Draws,
    *,
    whole: SceneGraph | None = None,
    vocabulary: Vocabulary | None = None,
    kinds: Collection[FaultKind] = FAULT_KINDS,
    nodes: Collection[str] | None = None,
) -> Iterator[GraphFault]:
    """The faults of `faults_of` in a random order, in which each kind is as likely to come first as the others."""
    words = vocabulary or Vocabulary()
    pools = {
        kind: draws.shuffle([*_spoilt(graph, whole or graph, words, (kind,), nodes)])
        for kind in FAULT_KINDS
        if kind in kinds
    }
    while any(pools.values()):
        kind = draws.choose([kind for kind, pool in pools.items() if pool])
        fault = _finished(pools[kind].pop(), graph, whole or graph)
        if fault:
            yield fault


def could_become(graph: SceneGraph, whole: SceneGraph) -> bool:
    """Whether a graph may be an unfinished beginning of another, whatever ids its nodes have.

    Each node is then a node of the other graph with the same label, no more things, and no other attributes; its
    relations are there too.
    """
    edges = {*_both_ends(whole)}

    def fits(node: GraphObject, other: GraphObject) -> bool:
        return (
            node.label == other.label
            and node.count <= other.count
            and all(other.get(each.kind) == each.value for each in node.attributes)
        )

    choices = {node.id: [other.id for other in whole.objects if fits(node, other)] for node in graph.objects}
    # What may be the fewest nodes comes first, and a relation is looked at once both of its ends have a place, so that
    # many equal nodes are not tried in all orders.
    order = sorted(choices, key=lambda id: len(choices[id]))
    ends = [*_both_ends(graph)]

    def placed(number: int, places: dict[str, str]) -> bool:
        if number == len(order):
            return True
        id = order[number]
        for other in choices[id]:
            more = {**places, id: other}
            near = (each for each in ends if id in (each[0], each[2]) and each[0] in more and each[2] in more)
            is_free = other not in places.values() and all((more[a], p, more[b]) in edges for a, p, b in near)
            if is_free and placed(number + 1, more):
                return True
        return False

    return len(order) <= len(whole.objects) and placed(0, {})


def _both_ends(graph: SceneGraph) -> Iterator[tuple[str, str, str]]:
    for edge in graph.relations:
        yield edge.subject, edge.predicate, edge.object
        if edge.predicate in OPPOSITES:
            yield edge.object, OPPOSITES[edge.predicate], edge.subject


def _spoilt(
    graph: SceneGraph,
    whole: SceneGraph,
    words: Vocabulary,
    kinds: Collection[FaultKind],
    nodes: Collection[str] | None,
) -> Iterator[_Spoilt]:
    for node in graph.objects:
        if nodes is None or node.id in nodes:
            yield from (each for each in _spoilt_node(node, graph, whole, words) if each.kind in kinds)
    if "relation" in kinds:
        yield from _spoilt_relations(graph, nodes)
    if "extra" in kinds:
        yield from _with_extra(graph, whole, words)


def _spoilt_node(node: GraphObject, graph: SceneGraph, whole: SceneGraph, words: Vocabulary) -> Iterator[_Spoilt]:
    # More things than a beginning has may be those that its whole has.
    final = whole.get(node.id)
    if final is None or node.count >= final.count:
        more = node.model_copy(update={"count": node.count + 1})
        yield _Spoilt("count_more", node.id, graph.with_node(more))
    if node.count > 1:
        yield _Spoilt("count_less", node.id, graph.with_node(node.model_copy(update={"count": node.count - 1})))
    for each in node.attributes:
        for value in words.other_values(each.kind, node.label, graph=whole):
            yield _Spoilt("attribute", node.id, graph.with_node(with_value(node, each.kind, value)), each.kind)
    if len(graph.objects) > 1:
        yield _Spoilt("missing", node.id, graph.subgraph({other.id for other in graph.objects} - {node.id}))


def _spoilt_relations(graph: SceneGraph, nodes: Collection[str] | None) -> Iterator[_Spoilt]:
    """Each relation of position mirrored, because one of its two objects went astray."""
    for edge in graph.relations:
        if edge.predicate in POSITIONS:
            opposite = OPPOSITES[edge.predicate]
            mirrored = edge.model_copy(update={"predicate": opposite})
            relations = tuple(mirrored if other == edge else other for other in graph.relations)
            spoilt = graph.model_copy(update={"relations": relations})
            if nodes is None or edge.subject in nodes:
                yield _Spoilt("relation", edge.subject, spoilt, edge.predicate, edge.object)
            if nodes is None or edge.object in nodes:
                yield _Spoilt("relation", edge.object, spoilt, opposite, edge.subject)


def _with_extra(graph: SceneGraph, whole: SceneGraph, words: Vocabulary) -> Iterator[_Spoilt]:
    """An object of a kind that the graph has, with another attribute, or an object of another kind."""
    draws = Draws("extra", *sorted(node.label for node in whole.objects))
    id = free_id(whole)
    for node in graph.objects:
        for each in node.attributes:
            for value in words.other_values(each.kind, node.label, graph=whole):
                extra = with_value(node, each.kind, value).model_copy(update={"id": id, "count": 1})
                yield _Spoilt("extra", id, graph.model_copy(update={"objects": (*graph.objects, extra)}))
    for _ in range(len(words.other_labels(whole))):
        strange = words.strange_object(whole, draws, id=id)
        if strange:
            yield _Spoilt("extra", id, graph.model_copy(update={"objects": (*graph.objects, strange)}))


def _finished(draft: _Spoilt, graph: SceneGraph, whole: SceneGraph) -> GraphFault | None:
    """A fault with its words; None if they or what fails are in doubt, or if the spoilt graph cannot be."""
    if draft.kind not in LACKS and could_become(draft.graph, whole):
        return None
    if check_soundness(draft.graph):
        return None
    failing = failing_atoms(graph, draft.graph)
    if not failing:
        return None
    try:
        describe(draft.graph)
        critique = _critique(draft, graph)
        correction = _correction(draft, graph)
        mended = apply_edit(read_edit(correction, draft.graph), draft.graph)
    except DataError:
        return None
    if not same_content(mended, graph):
        return None
    return GraphFault(draft.kind, draft.node, draft.graph, failing, critique, correction)


def _correction(draft: _Spoilt, graph: SceneGraph) -> str:
    if draft.kind != "relation":
        return write_edits(draft.graph, graph)
    return write_return(draft.node, beside=draft.other, before=draft.graph, after=graph)


def _critique(draft: _Spoilt, graph: SceneGraph) -> str:
    clean, spoilt = graph.get(draft.node), draft.graph.get(draft.node)
    name = name_of(draft.node, draft.graph if spoilt else graph)
    if clean is None:
        return sentence(f"{name} should not be there")
    if spoilt is None:
        return missing_object(name, clean)
    if draft.kind == "attribute":
        return wrong_value(name, wanted=clean.get(draft.detail), found=spoilt.get(draft.detail))
    if draft.kind == "relation":
        other_name, other = name_of(draft.other, draft.graph), draft.graph.node(draft.other)
        return wrong_place(name, draft.detail, other_name=other_name, other=other, found=OPPOSITES[draft.detail])
    return wrong_number(noun_phrase(clean), wanted=clean.count, found=spoilt.count)
