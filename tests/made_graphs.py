"""Scene graphs for tests: written by hand, drawn so that a picture of shapes can show them, and changed."""

from __future__ import annotations

from datagen.core.draws import Draws
from datagen.scene_graphs.graph import OPPOSITES, Attribute, GraphObject, GraphRelation, SceneGraph, same_graph
from datagen.scene_graphs.vocabulary import Vocabulary

LABELS = ("circle", "square", "triangle", "diamond", "cross", "star", "heart", "ring")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black")
WORDS = Vocabulary(LABELS, (("colour", COLOURS), ("size", ("small", "large"))))


def node(id: str, label: str, count: int = 1, **attributes: str) -> GraphObject:
    values = tuple(Attribute(kind=kind, value=value) for kind, value in attributes.items())
    return GraphObject(id=id, label=label, count=count, attributes=values)


def edge(subject: str, predicate: str, object: str) -> GraphRelation:
    return GraphRelation(subject=subject, predicate=predicate, object=object)


def graph_of(*nodes: GraphObject, relations: str = "") -> SceneGraph:
    """Relations are written `a left-of b, b above c`."""
    ends = [each.split() for each in relations.split(",") if each]
    return SceneGraph(objects=nodes, relations=tuple(edge(a, p.replace("-", " "), b) for a, p, b in ends))


def draw_shapes(seed: int, *, most_nodes: int = 5, most_things: int = 8, edges: int = 1) -> SceneGraph:
    """A connected graph whose relations hold in some order on each axis; each node has some to `edges` before it."""
    draws = Draws(seed, "shapes")
    nodes: list[GraphObject] = []
    for number in range(1 + draws.below(most_nodes)):
        left = most_things - sum(each.count for each in nodes)
        count = min(left, 1 + draws.below(3) if draws.happens(0.4) else 1)
        if count <= 0:
            break
        attributes = {"colour": draws.choose(COLOURS)} if draws.happens(0.7) else {}
        if draws.happens(0.2):
            attributes["size"] = draws.choose(("small", "large"))
        nodes.append(node(f"o{number + 1}", draws.choose(LABELS), count, **attributes))
    ranks = [draws.shuffle(range(len(nodes))) for _ in range(2)]
    relations = []
    for number in range(1, len(nodes)):
        for other in draws.shuffle(range(number))[:edges]:
            axis = draws.below(2)
            first, last = sorted((number, other), key=ranks[axis].__getitem__)
            predicate = ("left of", "above")[axis]
            if draws.happens(0.5):
                first, last, predicate = last, first, OPPOSITES[predicate]
            relations.append(edge(nodes[first].id, predicate, nodes[last].id))
    return SceneGraph(objects=tuple(nodes), relations=tuple(relations))


def is_part(part: SceneGraph, graph: SceneGraph) -> bool:
    """Whether a graph is the subgraph of another that its nodes induce, whatever order nodes and relations have."""
    return same_graph(part, graph.subgraph({node.id for node in part.objects}))


def renamed(graph: SceneGraph, seed: int) -> SceneGraph:
    """The same graph under other ids and in another order, some relations read from their other ends."""
    draws = Draws(seed, "renamed")
    names = draws.shuffle([f"x{number}" for number in range(len(graph.objects))])
    ids = dict(zip([node.id for node in graph.objects], names, strict=True))
    relations = []
    for each in graph.relations:
        subject, object, predicate = ids[each.subject], ids[each.object], each.predicate
        if draws.happens(0.5):
            subject, object, predicate = object, subject, OPPOSITES[predicate]
        relations.append(edge(subject, predicate, object))
    nodes = [node.model_copy(update={"id": ids[node.id]}) for node in graph.objects]
    return graph.model_copy(
        update={"objects": tuple(draws.shuffle(nodes)), "relations": tuple(draws.shuffle(relations))}
    )


def mirror(graph: SceneGraph, edge: GraphRelation) -> SceneGraph:
    """The graph with one relation turned round."""
    other = edge.model_copy(update={"predicate": OPPOSITES[edge.predicate]})
    return graph.model_copy(update={"relations": tuple(other if each == edge else each for each in graph.relations)})


def with_changes(graph: SceneGraph, id: str, **changes: object) -> SceneGraph:
    """The graph with one node changed."""
    return graph.with_node(graph.node(id).model_copy(update=changes))
