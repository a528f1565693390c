"""What is wrong with graphs, and graphs that are drawn so that nothing is."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_graphs import edge, node
from rings import example_count
from worded_graphs import graphs

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.scene_graphs.checks import check_graph
from datagen.scene_graphs.drawing import draw_graph
from datagen.scene_graphs.graph import OPPOSITES, Attribute, GraphObject, SceneGraph
from datagen.scene_graphs.wording import describe, name_of

CIRCLE, SQUARE, STAR = node("a", "circle", colour="red"), node("b", "square", 2), node("c", "star")
SOUND = SceneGraph(objects=(CIRCLE, SQUARE, STAR), relations=(edge("a", "left of", "b"), edge("b", "above", "c")))
TWO_COLOURS = GraphObject(
    id="a", label="circle", attributes=(Attribute(kind="colour", value="red"), Attribute(kind="colour", value="blue"))
)


def of(*objects: GraphObject, relations: tuple = ()) -> SceneGraph:
    return SceneGraph(objects=objects, relations=relations)


WRONG = [
    (of(CIRCLE, relations=(edge("a", "above", "z"),)), "dangling", "'a' above 'z': there is no object 'z'"),
    (of(CIRCLE, relations=(edge("z", "above", "a"),)), "dangling", "there is no object 'z'"),
    (of(CIRCLE, relations=(edge("a", "above", "a"),)), "dangling", "'a' above 'a': a relation to itself"),
    (of(CIRCLE, CIRCLE), "dangling", "2 objects have the id 'a'"),
    (of(CIRCLE, STAR, relations=(edge("a", "above", "c"), edge("c", "above", "a"))), "contradiction", "in a circle: 'a' above 'c' above 'a'"),
    (of(CIRCLE, STAR, relations=(edge("a", "above", "c"), edge("a", "below", "c"))), "contradiction", "in a circle: 'a' above 'c' above 'a'"),
    (of(CIRCLE, STAR, relations=(edge("a", "on", "c"), edge("a", "below", "c"))), "contradiction", "'a' is on 'c', and it is below it too"),
    (of(CIRCLE, STAR, relations=(edge("a", "on", "c"), edge("c", "above", "a"))), "contradiction", "'a' is on 'c', and it is below it too"),
    (of(CIRCLE, SQUARE, STAR, relations=(edge("a", "behind", "b"), edge("c", "in front of", "b"), edge("c", "behind", "a"))), "contradiction", "in a circle"),
    (of(TWO_COLOURS), "conflict", "'a' (circle): colour is 'red' and 'blue'"),
    (of(node("a", "bear", 2, size="huge")), "relative_alone", "'a' (bear) is huge, beside nothing else"),
    (of(CIRCLE), "too_simple", "2 atoms, at least 3 are wanted"),
    (of(*(node(f"n{i}", f"star{i}", 2) for i in range(6))), "too_complex", "12 atoms, at most 10 are wanted"),
    (of(), "too_simple", "0 atoms"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("graph", "reason", "detail"), WRONG, ids=[f"{reason}: {detail}" for _, reason, detail in WRONG]
)
def test_a_problem_is_named(graph: SceneGraph, reason: str, detail: str) -> None:
    problem = check_graph(graph)
    assert problem is not None
    assert (problem.reason, detail in problem.detail) == (reason, True), problem


def test_a_sound_graph_has_no_problem() -> None:
    assert check_graph(SOUND) is None
    assert check_graph(SOUND, caption=describe(SOUND)) is None
    assert check_graph(of(node("a", "bear", size="huge"), STAR, relations=(edge("a", "near", "c"),))) is None
    both = (edge("a", "above", "b"), edge("a", "left of", "b"), edge("a", "holding", "b"), edge("b", "holding", "a"))
    assert check_graph(of(CIRCLE, SQUARE, relations=both)) is None


@pytest.mark.parametrize(
    ("caption", "detail"),
    [
        ("A red circle, two boxes and a star.", "the caption has no 'square'"),
        ("A red circle, squares and a star.", "the caption does not say 2 of 'square'"),
        ("A circle, 2 squares and a starry sky.", "the caption has no 'red' (colour of 'circle')"),
        ("A red circle, two squares and starlight.", "the caption has no 'star'"),
        ("A red Circle, a PAIR of squares; and stars!", ""),
        ("both squares, a star, a red circle", ""),
        ("", ""),
    ],
)
def test_a_graph_is_held_to_its_caption(caption: str, detail: str) -> None:
    problem = check_graph(SOUND, caption=caption)
    assert (problem.detail if problem else "") == detail
    assert problem is None or problem.reason == "unfaithful"


def test_spellings_of_colour_words_do_not_matter() -> None:
    graph = of(node("a", "cat", colour="grey"), STAR, relations=(edge("a", "near", "c"),))
    assert check_graph(graph, caption="a gray cat near a star") is None


@settings(max_examples=example_count(200), deadline=None)
@given(graphs())
def test_a_graph_is_true_to_its_own_caption(graph: SceneGraph) -> None:
    problem = check_graph(graph, caption=describe(graph), least_atoms=0, most_atoms=1000)
    assert problem is None or problem.reason in ("contradiction", "relative_alone")


@settings(max_examples=example_count(300), deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda pair: pair[0] != pair[1]), max_size=8),
    st.sampled_from(("left of", "right of", "above", "in front of")),
)
def test_a_circle_of_strict_order_is_a_contradiction(pairs: list[tuple[int, int]], predicate: str) -> None:
    objects = tuple(node(f"n{i}", "star") for i in range(5))
    relations = [edge(f"n{a}", predicate, f"n{b}") for a, b in pairs]
    relations[::2] = [edge(e.object, OPPOSITES[predicate], e.subject) for e in relations[::2]]
    reached = {i: {b for a, b in pairs if a == i} for i in range(5)}
    for _ in range(5):
        reached = {i: ahead | {k for j in ahead for k in reached[j]} for i, ahead in reached.items()}
    is_circle = any(i in ahead for i, ahead in reached.items())
    problem = check_graph(SceneGraph(objects=objects, relations=tuple(relations)), most_atoms=100)
    assert (problem is not None and problem.reason == "contradiction") == is_circle
    if problem and problem.reason == "contradiction":
        way = [
            int(step[2]) for step in problem.detail.removeprefix("in a circle: ").split(f" {sorted_word(predicate)} ")
        ]
        assert way[0] == way[-1]
        ahead = pairs if sorted_word(predicate) == predicate else [(b, a) for a, b in pairs]
        assert all(step in ahead for step in pairwise(way))


def sorted_word(predicate: str) -> str:
    return predicate if predicate in ("left of", "above", "in front of") else OPPOSITES[predicate]


# Drawn graphs

SHAPES = ("circle", "square", "triangle", "diamond", "cross", "star", "heart", "ring")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple", "pink", "white", "black")


@settings(max_examples=example_count(200), deadline=None)
@given(st.integers(0, 10**9), st.integers(2, 10), st.integers(0, 5), st.booleans())
def test_drawn_graphs_are_sound_connected_and_named(seed: int, least: int, more: int, is_sized: bool) -> None:
    graph = draw_graph(
        Draws(seed),
        labels=SHAPES,
        colours=COLOURS,
        sizes=("small", "large") if is_sized else (),
        least_atoms=least,
        most_atoms=min(10, least + more),
    )
    assert check_graph(graph, caption=describe(graph), least_atoms=least, most_atoms=min(10, least + more)) is None
    assert len(graph.components()) == 1
    assert sum(node.count for node in graph.objects) <= 9
    assert len({name_of(node.id, graph) for node in graph.objects}) == len(graph.objects)


def test_drawn_graphs_are_varied_and_the_same_for_one_seed() -> None:
    drawn = [draw_graph(Draws(1, number), labels=SHAPES, colours=COLOURS) for number in range(100)]
    assert drawn == [draw_graph(Draws(1, number), labels=SHAPES, colours=COLOURS) for number in range(100)]
    nodes = [node for graph in drawn for node in graph.objects]
    assert {graph.complexity() for graph in drawn} == set(range(3, 11))
    assert {len(graph.objects) for graph in drawn} == {2, 3, 4, 5}
    assert {node.count for node in nodes} == {1, 2, 3, 4}
    assert {node.label for node in nodes} == set(SHAPES)
    assert {node.get("colour") for node in nodes} == {*COLOURS, ""}
    assert {each.predicate for graph in drawn for each in graph.relations} == {"left of", "right of", "above", "below"}


@pytest.mark.parametrize(
    "options",
    [
        {"labels": ()},
        {"colours": ()},
        {"most_objects": 0},
        {"most_things": 0},
        {"labels": ("circle",), "colours": ("red",), "least_atoms": 5},
        {"least_atoms": 30, "most_atoms": 40},
    ],
)
def test_graphs_that_cannot_be_are_refused(options: dict) -> None:
    with pytest.raises(DataError, match=r"no graph of .* atoms, .*: allow more labels, colours or objects"):
        draw_graph(Draws(0), **({"labels": SHAPES, "colours": COLOURS} | options))


def test_one_object_is_drawn_where_no_more_are_allowed() -> None:
    graph = draw_graph(Draws(0), labels=SHAPES, colours=COLOURS, least_atoms=2, most_atoms=2, most_objects=1)
    assert (len(graph.objects), graph.complexity()) == (1, 2)
