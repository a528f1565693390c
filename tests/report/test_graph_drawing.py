"""Scene graphs as drawings: what stands where, what is cut, and what no line can show."""

from __future__ import annotations

import math
import re
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count
from toys.judge_plan import eight_nodes, small_graph

from datagen.report.cells import as_json
from datagen.report.graph_drawing import (
    MOST_EDGES,
    MOST_LINES,
    MOST_NODES,
    DrawnEdge,
    DrawnNode,
    GraphDrawing,
    drawing_of,
)
from datagen.scene_graphs.graph import POSITIONS, Atom

words = st.text(min_size=1, max_size=60)
ids = st.sampled_from(["o1", "o2", "o3", "o4", "o5", "o6"])
attributes = st.fixed_dictionaries({"kind": st.sampled_from(["colour", "size"]), "value": words | st.just("red")})
nodes = st.fixed_dictionaries(
    {"id": ids, "label": words, "count": st.integers(1, 20), "attributes": st.lists(attributes, max_size=3)}
)
relations = st.fixed_dictionaries({"subject": ids, "predicate": st.sampled_from(POSITIONS) | words, "object": ids})
graphs = st.fixed_dictionaries(
    {"objects": st.lists(nodes, min_size=1, max_size=9), "relations": st.lists(relations, max_size=12)}
)


def _drawn(value: Any, **options: Any) -> GraphDrawing:
    drawing = drawing_of(value, **options)
    assert drawing is not None
    return drawing


def _graph(labels: list[str], *edges: tuple[int, str, int]) -> dict[str, Any]:
    objects = [{"id": f"o{place}", "label": label} for place, label in enumerate(labels)]
    return {
        "objects": objects,
        "relations": [
            {"subject": f"o{one}", "predicate": predicate, "object": f"o{other}"} for one, predicate, other in edges
        ],
    }


def _middle(node: DrawnNode) -> tuple[float, float]:
    return node.x + node.width / 2, node.y + node.height / 2


def _points(edge: DrawnEdge) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", edge.path)]


@pytest.mark.parametrize(
    ("predicate", "axis", "sign"), [("left of", 0, -1), ("right of", 0, 1), ("above", 1, -1), ("below", 1, 1)]
)
def test_nodes_stand_as_their_relation_says(predicate: str, axis: int, sign: int) -> None:
    one, other = _drawn(_graph(["cat", "dog"], (0, predicate, 1))).nodes
    assert (_middle(one)[axis] - _middle(other)[axis]) * sign > 20
    assert _middle(one)[1 - axis] == pytest.approx(_middle(other)[1 - axis], abs=0.1)


def test_a_graph_that_has_room_for_all_relations_shows_them_all() -> None:
    edges = [(0, "left of", 1), (1, "left of", 2), (3, "below", 0), (4, "below", 1), (3, "left of", 4), (5, "above", 2)]
    drawing = _drawn(_graph(["a", "b", "c", "d", "e", "f"], *edges))
    for subject, predicate, object in edges:
        one, other = _middle(drawing.nodes[subject]), _middle(drawing.nodes[object])
        axis, sign = {"left of": (0, 1), "below": (1, -1), "above": (1, 1)}[predicate]
        assert (other[axis] - one[axis]) * sign > 20


@settings(max_examples=example_count(60), deadline=None)
@given(graph=graphs)
def test_boxes_never_overlap_and_all_lies_in_the_drawing(graph: dict[str, Any]) -> None:
    drawing = _drawn(graph)
    assert len(drawing.nodes) == len(graph["objects"])
    for one, other in combinations(drawing.nodes, 2):
        across = abs(_middle(one)[0] - _middle(other)[0]) - (one.width + other.width) / 2
        down = abs(_middle(one)[1] - _middle(other)[1]) - (one.height + other.height) / 2
        assert max(across, down) > 5
    for node in drawing.nodes:
        assert 0 <= node.x <= node.x + node.width <= drawing.width
        assert 0 <= node.y <= node.y + node.height <= drawing.height
    for edge in drawing.edges:
        assert 0 <= edge.x <= drawing.width
        assert all(0 <= x <= drawing.width and 0 <= y <= drawing.height for x, y in _points(edge))
    as_json([*map(DrawnNode._asdict, drawing.nodes), *map(DrawnEdge._asdict, drawing.edges), drawing.lines])


@settings(max_examples=example_count(40), deadline=None)
@given(graph=graphs)
def test_each_relation_is_drawn_or_said(graph: dict[str, Any]) -> None:
    drawing = _drawn(graph)
    known = {node["id"] for node in graph["objects"]}
    ends = {(edge["subject"], edge["object"]) for edge in graph["relations"]}
    drawn = {(one, other) for one, other in ends if one != other and {one, other} <= known}
    assert len(drawing.edges) == len(drawn)
    broken = [edge for edge in graph["relations"] if (edge["subject"], edge["object"]) not in drawn]
    assert len(drawing.notes) == len(broken)


def test_lines_pass_no_box_that_they_do_not_join() -> None:
    for graph in (
        small_graph(),
        eight_nodes(),
        _graph(["a", "b", "c"], (0, "left of", 1), (1, "left of", 2), (0, "left of", 2)),
    ):
        drawing = _drawn(graph)
        for edge in drawing.edges:
            points = _points(edge)
            for node in drawing.nodes:
                inside = [
                    p for p in points if node.x < p[0] < node.x + node.width and node.y < p[1] < node.y + node.height
                ]
                assert not inside


def test_two_relations_that_go_both_ways_are_two_lines() -> None:
    one, other = _drawn(_graph(["cat", "dog"], (0, "looking at", 1), (1, "chasing", 0))).edges
    assert math.dist((one.x, one.y), (other.x, other.y)) > 20
    [both] = _drawn(_graph(["cat", "dog"], (0, "left of", 1), (0, "above", 1))).edges
    assert both.label == "left of, above"


def test_two_nodes_of_one_label_are_told_apart_by_their_ids() -> None:
    drawing = _drawn(small_graph())
    assert [node.title for node in drawing.nodes] == ["2 \N{MULTIPLICATION SIGN} circle (o1)", "square", "circle (o3)"]
    assert [node.detail for node in drawing.nodes] == ["red", "blue", "red, small"]
    assert drawing.lines[0] == "circle (o1): count 2, colour red"
    assert "circle (o1) left of circle (o3)" in drawing.lines
    assert all(re.fullmatch("#[0-9a-f]{6}", node.colour) for node in drawing.nodes)


def test_long_words_are_cut_in_the_drawing_and_whole_beside_it() -> None:
    drawing = _drawn(_graph(["w" * 200, "dog"], (0, "p" * 150, 1)))
    assert len(drawing.nodes[0].title) < 30
    assert drawing.nodes[0].name == "w" * 200
    assert "p" * 150 in drawing.edges[0].name
    assert drawing.width < 900


def test_what_no_line_can_show_is_said() -> None:
    notes = _drawn(eight_nodes()).notes
    assert notes == (
        "background: in a kitchen",
        "style: an oil painting",
        "o9 on o1: there is no 'o9'",
        "o2 inside o2: a relation to itself",
    )


@pytest.mark.parametrize("form", [list, Atom._asdict])
def test_atoms_that_fail_are_marked(form: Any) -> None:
    atoms = [form(Atom("attribute", "o2", "blue", "colour")), form(Atom("relation", "o1", "above", object="o2"))]
    drawing = _drawn(small_graph(), failing=[*atoms, form(Atom("object", "", "dog")), "nonsense", ["too", "short"]])
    assert [node.fails for node in drawing.nodes] == [False, True, False]
    assert [(edge.label, edge.fails) for edge in drawing.edges] == [("above", True), ("left of", False)]
    assert not any(node.fails for node in _drawn(small_graph(), failing="nonsense").nodes)


@pytest.mark.parametrize("number", [MOST_NODES + 1, 100])
def test_a_large_graph_is_words_alone(number: int) -> None:
    drawing = _drawn(_graph(["cat"] * number, (0, "left of", 1), (0, "on", 999)))
    assert (drawing.width, drawing.nodes, drawing.edges) == (0, (), ())
    assert len(drawing.lines) == min(number + 2, MOST_LINES + 1)
    assert (drawing.lines[-1] == f"and {number + 2 - MOST_LINES} more") == (number + 2 > MOST_LINES)


def test_a_graph_of_many_relations_is_words_alone() -> None:
    pairs = [(one, "on", other) for one in range(8) for other in range(8) if one != other]
    assert len(pairs) > MOST_EDGES
    assert _drawn(_graph(["cat"] * 8, *pairs)).width == 0
    assert _drawn(_graph(["cat"] * 8, *pairs[:MOST_EDGES])).width > 0


@pytest.mark.parametrize("value", [None, {}, [], "graph", {"objects": []}, {"objects": [{"id": "o1"}]}, {"objects": 3}])
def test_what_is_no_graph_is_not_drawn(value: Any) -> None:
    assert drawing_of(value) is None
