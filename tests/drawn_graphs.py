"""Random graphs of shapes for tests of scenes: varied counts, attributes and relations that a picture can show."""

from __future__ import annotations

from datagen.core.draws import Draws
from datagen.scene_graphs.graph import OPPOSITES, Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.worlds.colours import COLOURS
from datagen.worlds.sprites import shape_outlines

LABELS = tuple(shape_outlines())


def draw_shapes(seed: int, *, most_nodes: int = 5, most_things: int = 8, edges: int = 1) -> SceneGraph:
    """A connected graph whose relations some order on each axis fulfils."""
    draws = Draws(seed, "shapes")
    nodes, things = [], 0
    for number in range(1 + draws.below(most_nodes)):
        count = min(most_things - things, 1 + draws.below(3) if draws.happens(0.4) else 1)
        if count <= 0:
            break
        things += count
        attributes = [Attribute(kind="colour", value=draws.choose(tuple(COLOURS)))] if draws.happens(0.7) else []
        if draws.happens(0.2):
            attributes.append(Attribute(kind="size", value=draws.choose(("small", "large"))))
        nodes.append(
            GraphObject(id=f"o{number + 1}", label=draws.choose(LABELS), count=count, attributes=tuple(attributes))
        )
    ranks = [draws.shuffle(range(len(nodes))) for _ in range(2)]
    relations = []
    for number in range(1, len(nodes)):
        for other in draws.shuffle(range(number))[:edges]:
            axis = draws.below(2)
            first, last = sorted((number, other), key=ranks[axis].__getitem__)
            predicate = ("left of", "above")[axis]
            if draws.happens(0.5):
                first, last, predicate = last, first, ("right of", "below")[axis]
            relations.append(GraphRelation(subject=nodes[first].id, predicate=predicate, object=nodes[last].id))
    return SceneGraph(objects=tuple(nodes), relations=tuple(relations))


def renamed(graph: SceneGraph, seed: int) -> SceneGraph:
    """The same graph under other ids and in another order, some relations read from their other ends."""
    draws = Draws(seed, "renamed")
    ids = dict(
        zip(
            [node.id for node in graph.objects],
            draws.shuffle([f"x{n}" for n in range(len(graph.objects))]),
            strict=True,
        )
    )
    relations = []
    for edge in graph.relations:
        subject, object, predicate = ids[edge.subject], ids[edge.object], edge.predicate
        if draws.happens(0.5):
            subject, object, predicate = object, subject, OPPOSITES[predicate]
        relations.append(GraphRelation(subject=subject, predicate=predicate, object=object))
    nodes = [node.model_copy(update={"id": ids[node.id]}) for node in graph.objects]
    return graph.model_copy(
        update={"objects": tuple(draws.shuffle(nodes)), "relations": tuple(draws.shuffle(relations))}
    )


def mirror(graph: SceneGraph, edge: GraphRelation) -> SceneGraph:
    """The graph with one relation turned round."""
    other = edge.model_copy(update={"predicate": OPPOSITES[edge.predicate]})
    return graph.model_copy(update={"relations": tuple(other if each == edge else each for each in graph.relations)})


def with_node(graph: SceneGraph, id: str, **changes: object) -> SceneGraph:
    """The graph with one node changed."""
    nodes = (node.model_copy(update=changes) if node.id == id else node for node in graph.objects)
    return graph.model_copy(update={"objects": tuple(nodes)})
