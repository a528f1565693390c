"""Hypothesis strategies for scene graphs in words that the rules know."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from datagen.scene_graphs.graph import Attribute, GraphObject, GraphRelation, SceneGraph

LABELS = (
    *("circle", "square", "star", "cross", "bear", "fire truck", "glass of water", "hot dog", "man", "sheep", "knife"),
    *("horse", "bus", "lens", "box", "cherry", "scissors", "water", "orange", "house", "kitchen", "potato", "mouse"),
)
VALUES = {
    "colour": ("red", "blue", "light blue", "orange", "black"),
    "size": ("small", "large", "huge"),
    "material": ("wooden", "glass"),
    "state": ("open", "sleeping", "shy", "half eaten"),
    "texture": ("smooth", "ginger"),
    "mood": ("odd",),
}
PREDICATES = (
    "left of",
    "right of",
    "above",
    "below",
    "in front of",
    "on",
    "next to",
    "in",
    "holding",
    "looking at",
    "holds",
)
STYLES = ("", "an oil painting", "a photo", "cubism", "pop art in two colours")
BACKGROUNDS = ("", "in a kitchen", "a wooden table", "on the moon", "plain grey")


@st.composite
def nodes(draw: st.DrawFn, id: str, *, labels: Sequence[str] = LABELS) -> GraphObject:
    kinds = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True))
    attributes = tuple(Attribute(kind=kind, value=draw(st.sampled_from(VALUES[kind]))) for kind in kinds)
    count = draw(st.sampled_from((1, 1, 1, 2, 3, 7, 20, 120)))
    return GraphObject(id=id, label=draw(st.sampled_from(labels)), count=count, attributes=attributes)


@st.composite
def graphs(
    draw: st.DrawFn,
    *,
    least: int = 0,
    most: int = 6,
    predicates: Sequence[str] = PREDICATES,
    labels: Sequence[str] = LABELS,
) -> SceneGraph:
    objects = tuple(draw(nodes(f"n{i}", labels=labels)) for i in range(draw(st.integers(least, most))))
    ids = [node.id for node in objects]
    pairs = st.lists(st.sampled_from(ids), min_size=2, max_size=2, unique=True)
    edges = st.builds(
        lambda pair, predicate: GraphRelation(subject=pair[0], predicate=predicate, object=pair[1]),
        pairs,
        st.sampled_from(predicates),
    )
    relations = draw(st.lists(edges, max_size=6, unique=True)) if len(ids) > 1 else []
    return SceneGraph(
        objects=objects,
        relations=tuple(relations),
        background=draw(st.sampled_from(BACKGROUNDS)),
        style=draw(st.sampled_from(STYLES)),
    )
