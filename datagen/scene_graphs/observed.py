"""What is wrong with a picture and what mends it, in words, from the verdicts on its graph's atoms."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datagen.core.english import read_number, sentence
from datagen.core.errors import DataError
from datagen.scene_graphs.critique_sentences import missing_object, wrong_number, wrong_place, wrong_value
from datagen.scene_graphs.differences import write_edits, write_return
from datagen.scene_graphs.graph import POSITIONS, Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.matching import AtomVerdict, same_label
from datagen.scene_graphs.noun_phrases import definite, noun_phrase
from datagen.scene_graphs.wording import describe, name_of


def critique_of(graph: SceneGraph, verdicts: Sequence[AtomVerdict]) -> str:
    """What is wrong with a picture of a graph, a sentence a fault; '' if all atoms hold that were judged.

    What a missing object takes along, its number, attributes and relations, is not said again.
    """
    return " ".join((*_missing(graph, verdicts), *_wrong(graph, verdicts)))


def correction_of(graph: SceneGraph, verdicts: Sequence[AtomVerdict]) -> str:
    """The instruction that makes the picture show the graph; '' if all atoms hold that were judged.

    It is made of the edits that lead from what the picture shows to the graph. Where verdicts do not say exactly what
    that is, it says what the picture should show.
    """
    wrong = [one.atom for one in verdicts if one.holds is False]
    if not wrong:
        return ""
    try:
        observed = observed_graph(graph, verdicts)
        if [atom.kind for atom in wrong] == ["relation"]:
            # What is said to be in the wrong place goes elsewhere; the other thing may stand right to others.
            return write_return(wrong[0].subject, beside=wrong[0].object, before=observed, after=graph)
        return write_edits(observed, graph)
    except DataError:
        return f"Change the picture so that it shows this: {describe(graph)}"


def observed_graph(graph: SceneGraph, verdicts: Sequence[AtomVerdict]) -> SceneGraph:
    """The graph that a picture shows, as far as verdicts on the atoms of `graph` say; nodes keep their ids.

    Raises `DataError` if they do not say which of several nodes of one label has another number, or what else there is
    instead of an attribute or a relation.
    """
    gone = _gone(verdicts)
    observed = graph.subgraph({node.id for node in graph.objects} - gone)
    for one in verdicts:
        if one.holds is not False or one.atom.subject in gone or one.atom.object in gone:
            continue
        if one.atom.kind == "object":
            node = GraphObject(id=f"extra {one.atom.value}", label=one.atom.value, count=_number(one.found))
            observed = observed.model_copy(update={"objects": (*observed.objects, node)})
        elif one.atom.kind == "attribute":
            observed = _with_value(observed, one)
        elif one.atom.kind == "relation":
            observed = _with_relation(observed, one)
    for one in verdicts:
        if one.atom.kind == "count":
            observed = _with_number(observed, graph, one)
    return observed


def _gone(verdicts: Sequence[AtomVerdict]) -> set[str]:
    """The ids of the nodes that a picture does not show at all."""
    return {
        one.atom.subject for one in verdicts if one.atom.kind == "object" and one.atom.subject and one.holds is False
    }


def _number(found: str) -> int:
    """The number at the beginning of what was found."""
    number = read_number(found.lower().partition(" ")[0])
    if not number:
        raise DataError(f"'{found:.60}' says no number")
    return number


def _with_value(graph: SceneGraph, one: AtomVerdict) -> SceneGraph:
    node = graph.get(one.atom.subject)
    if node is None or not one.found or not one.found.replace("-", "").isalpha():
        raise DataError(f"'{one.found:.60}' is no single {one.atom.attribute}")
    value = Attribute(kind=one.atom.attribute, value=one.found)
    attributes = tuple(value if each.kind == value.kind else each for each in node.attributes)
    return graph.with_node(node.model_copy(update={"attributes": attributes}))


def _with_relation(graph: SceneGraph, one: AtomVerdict) -> SceneGraph:
    if one.found not in POSITIONS or one.atom.value not in POSITIONS:
        raise DataError(f"'{one.found:.60}' is no relation of position")
    old = GraphRelation(subject=one.atom.subject, predicate=one.atom.value, object=one.atom.object)
    new = old.model_copy(update={"predicate": one.found})
    return graph.model_copy(update={"relations": tuple(new if edge == old else edge for edge in graph.relations)})


def _with_number(observed: SceneGraph, graph: SceneGraph, one: AtomVerdict) -> SceneGraph:
    first = graph.get(one.atom.subject)
    if first is None or one.holds is None:
        return observed
    alike = [node for node in observed.objects if same_label(node.label, first.label)]
    more = int(one.found) - sum(node.count for node in alike)
    if not more:
        return observed
    if len(alike) != 1 or alike[0].count + more < 1:
        raise DataError(f"{one.found} x {first.label} may be more or fewer of several nodes")
    return observed.with_node(alike[0].model_copy(update={"count": alike[0].count + more}))


def _missing(graph: SceneGraph, verdicts: Sequence[AtomVerdict]) -> Iterator[str]:
    gone = _gone(verdicts)
    for node in graph.objects:
        if node.id in gone:
            yield missing_object(_name(node, graph), node)


def _wrong(graph: SceneGraph, verdicts: Sequence[AtomVerdict]) -> Iterator[str]:
    gone = _gone(verdicts)
    for one in verdicts:
        kind, node = one.atom.kind, graph.get(one.atom.subject)
        if one.holds is not False:
            continue
        if node is None:
            yield sentence(f"there should be {one.expected}")
        elif kind == "count":
            lost = sum(each.count for each in graph.objects if each.id in gone and same_label(each.label, node.label))
            if str(int(one.atom.value) - lost) != one.found:
                number = int(one.atom.value)
                things = noun_phrase(node, attributes=(), several=number > 1)
                yield wrong_number(things, wanted=number, found=int(one.found))
        elif node.id in gone or one.atom.object in gone:
            continue
        elif kind == "attribute":
            name = _name(node, graph, without=one.atom.attribute)
            yield wrong_value(name, wanted=one.atom.value, found=one.found)
        elif kind == "relation":
            yield _relation(graph, node, one)


def _relation(graph: SceneGraph, node: GraphObject, one: AtomVerdict) -> str:
    object = graph.get(one.atom.object)
    if object is None:
        return sentence(f"{_name(node, graph)} should be {one.atom.value} {one.atom.object}")
    names = _name(node, graph), _name(object, graph)
    return wrong_place(names[0], one.atom.value, other_name=names[1], other=object, found=one.found)


def _name(node: GraphObject, graph: SceneGraph, *, without: str = "") -> str:
    """A node's definite name, without an attribute that it may lack, if it needs none to be told apart."""
    plain = node.model_copy(update={"attributes": tuple(each for each in node.attributes if each.kind != without)})
    for each, others in ((plain, graph.with_node(plain)), (node, graph)):
        try:
            return name_of(each.id, others)
        except DataError:
            continue
    return definite(noun_phrase(plain), plain)
