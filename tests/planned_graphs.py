"""Graphs for tests of plans and faults: written by hand, and drawn so that a picture can show them."""

from __future__ import annotations

from datagen.core.draws import Draws
from datagen.scene_graphs.graph import Attribute, GraphObject, GraphRelation, SceneGraph, same_graph
from datagen.scene_graphs.vocabulary import Vocabulary

LABELS = ("circle", "square", "triangle", "diamond", "cross", "star", "heart", "ring")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black")
WORDS = Vocabulary(LABELS, (("colour", COLOURS), ("size", ("small", "large"))))


def node(id: str, label: str, count: int = 1, **attributes: str) -> GraphObject:
    values = tuple(Attribute(kind=kind, value=value) for kind, value in attributes.items())
    return GraphObject(id=id, label=label, count=count, attributes=values)


def graph_of(*nodes: GraphObject, relations: str = "") -> SceneGraph:
    """Relations are written `a left-of b, b above c`."""
    edges = [each.split() for each in relations.split(",") if each]
    return SceneGraph(
        objects=nodes,
        relations=tuple(GraphRelation(subject=a, predicate=p.replace("-", " "), object=b) for a, p, b in edges),
    )


def is_part(part: SceneGraph, graph: SceneGraph) -> bool:
    """Whether a graph is the subgraph of another that its nodes induce, whatever order nodes and relations have."""
    return same_graph(part, graph.subgraph({node.id for node in part.objects}))


def draw_graph_of_shapes(seed: int, *, most_nodes: int = 5, edges: int = 1) -> SceneGraph:
    """A connected graph of 1 to `most_nodes` objects whose relations hold in some order on each axis."""
    draws = Draws(seed, "graph of shapes")
    nodes = []
    for number in range(1 + draws.below(most_nodes)):
        attributes = {"colour": draws.choose(COLOURS)} if draws.happens(0.7) else {}
        if draws.happens(0.2):
            attributes["size"] = draws.choose(("small", "large"))
        count = 1 + draws.below(3) if draws.happens(0.4) else 1
        nodes.append(node(f"o{number}", draws.choose(LABELS), count, **attributes))
    ranks = [draws.shuffle(range(len(nodes))) for _ in range(2)]
    relations = []
    for number in range(1, len(nodes)):
        for other in draws.shuffle(range(number))[:edges]:
            axis = draws.below(2)
            first, last = sorted((number, other), key=ranks[axis].__getitem__)
            ends = (first, ("left-of", "above")[axis], last)
            ends = (last, ("right-of", "below")[axis], first) if draws.happens(0.5) else ends
            relations.append(f"o{ends[0]} {ends[1]} o{ends[2]}")
    return graph_of(*nodes, relations=", ".join(relations))
