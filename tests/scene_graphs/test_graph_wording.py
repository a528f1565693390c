"""Graphs as captions, and captions as graphs."""

from __future__ import annotations

from hypothesis import given, settings
from rings import example_count
from worded_graphs import graphs

from datagen.scene_graphs.content import same_content
from datagen.scene_graphs.graph import Attribute, GraphObject, GraphRelation, SceneGraph
from datagen.scene_graphs.reading import read_caption
from datagen.scene_graphs.wording import describe


def thing(id: str, label: str, count: int = 1, **attributes: str) -> GraphObject:
    found = tuple(Attribute(kind=kind, value=value) for kind, value in attributes.items())
    return GraphObject(id=id, label=label, count=count, attributes=found)


def edge(subject: str, predicate: str, object: str) -> GraphRelation:
    return GraphRelation(subject=subject, predicate=predicate, object=object)


@settings(max_examples=example_count(1000), deadline=None)
@given(graphs())
def test_a_caption_is_read_as_the_graph_that_it_describes(graph: SceneGraph) -> None:
    text = describe(graph)
    assert same_content(read_caption(text), graph), text
