"""Things of a picture matched with nodes of a graph: against brute force, and what each fault of a picture breaks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_graphs import edge, graph_of, node
from rings import example_count

from datagen.scene_graphs import matching
from datagen.scene_graphs.graph import POSITIONS, Attribute, GraphObject, SceneGraph
from datagen.scene_graphs.matching import SceneThing, judge_things, match_things
from datagen.scene_graphs.positions import stands

COLOURS = ("red", "blue")


def thing(label: str, colour: str = "", *, x: float = 0, y: float = 0) -> SceneThing:
    return SceneThing(label, (x, y, x + 10, y + 10), {"colour": colour} if colour else {})


def failing(wanted: SceneGraph, *things: SceneThing) -> set[tuple[str, str]]:
    return {(one.atom.kind, one.atom.subject) for one in judge_things(wanted, things) if one.holds is False}


def draw_problem(data: st.DataObject) -> tuple[SceneGraph, list[SceneThing]]:
    labels = st.sampled_from(("circle", "star"))
    coloured = st.sampled_from(({}, *({"colour": colour} for colour in COLOURS)))
    nodes = [
        node(f"o{n}", data.draw(labels), data.draw(st.integers(1, 2)), **data.draw(coloured))
        for n in range(data.draw(st.integers(1, 3)))
    ]
    pairs = [(one.id, other.id) for one, other in permutations(nodes, 2)]
    edges = data.draw(st.lists(st.sampled_from(pairs), max_size=2)) if pairs else []
    relations = tuple(edge(one, data.draw(st.sampled_from(POSITIONS)), other) for one, other in edges)
    wanted = SceneGraph(objects=tuple(nodes), relations=relations)
    cells = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), unique=True, max_size=5))
    things = [thing(data.draw(labels), data.draw(st.sampled_from(COLOURS)), x=20 * x, y=20 * y) for x, y in cells]
    return wanted, things


def worth(wanted: SceneGraph, things: Sequence[SceneThing], owners: Sequence[str]) -> tuple[int, int, int]:
    """What an assignment of things to ids is worth, written anew from the module's four rules."""
    groups = {
        each.id: [one for one, owner in zip(things, owners, strict=True) if owner == each.id] for each in wanted.objects
    }
    agreeing = sum(
        one.attributes[each.kind] == each.value for n in wanted.objects for each in n.attributes for one in groups[n.id]
    )
    held = sum(bool(some) for some in groups.values())
    for each in wanted.objects:
        for one in each.attributes:
            held += bool(groups[each.id]) and all(x.attributes[one.kind] == one.value for x in groups[each.id])
    pairs_right = 0
    for relation in wanted.relations:
        pairs = [
            stands(relation.predicate, one.box, other.box)
            for one in groups[relation.subject]
            for other in groups[relation.object]
        ]
        held += bool(pairs) and all(pairs)
        pairs_right += sum(pairs)
    return agreeing, held, pairs_right


def all_owners(wanted: SceneGraph, things: Sequence[SceneThing]) -> set[tuple[str, ...]]:
    """All assignments in which no node has too many things, and none is left that a node has room for."""
    found = {()}
    for one in things:
        ids = [each.id for each in wanted.objects if each.label == one.label]
        found = {(*owners, id) for owners in found for id in (*ids, "")}
    counts = {each.id: each.count for each in wanted.objects}
    full = set()
    for owners in found:
        if any(owners.count(id) > count for id, count in counts.items()):
            continue
        for label in ("circle", "star"):
            room = sum(each.count for each in wanted.objects if each.label == label)
            there = [owner for one, owner in zip(things, owners, strict=True) if one.label == label]
            if sum(bool(owner) for owner in there) < min(room, len(there)):
                break
        else:
            full.add(owners)
    return full


def owners_of(wanted: SceneGraph, things: Sequence[SceneThing]) -> list[str]:
    owners = [""] * len(things)
    for each, some in zip(wanted.objects, match_things(wanted, things), strict=True):
        for n in some:
            assert not owners[n], "one to one"
            owners[n] = each.id
    return owners


@settings(max_examples=example_count(150), deadline=None)
@given(data=st.data())
def test_no_other_matching_is_better(data: st.DataObject) -> None:
    wanted, things = draw_problem(data)
    best = max(worth(wanted, things, owners) for owners in all_owners(wanted, things))
    assert worth(wanted, things, owners_of(wanted, things)) == best


@settings(max_examples=example_count(60), deadline=None)
@given(data=st.data())
def test_the_order_of_things_changes_no_verdict(data: st.DataObject) -> None:
    wanted, things = draw_problem(data)
    assert judge_things(wanted, things) == judge_things(wanted, data.draw(st.permutations(things)))


@settings(max_examples=example_count(60), deadline=None)
@given(data=st.data())
def test_what_can_hold_is_never_found_wrong(data: st.DataObject) -> None:
    wanted, _ = draw_problem(data)
    cells = data.draw(st.permutations([(x, y) for x in range(3) for y in range(3)]))
    every = [
        (each, cell) for each, cell in zip([n for n in wanted.objects for _ in range(n.count)], cells, strict=False)
    ]
    places = [thing(each.label, each.get("colour") or "red", x=20 * x, y=20 * y) for each, (x, y) in every]
    stand = {
        each.id: [one for one, (owner, _) in zip(places, every, strict=True) if owner == each]
        for each in wanted.objects
    }
    true = tuple(
        edge
        for edge in wanted.relations
        if all(stands(edge.predicate, a.box, b.box) for a in stand[edge.subject] for b in stand[edge.object])
    )
    shown = wanted.model_copy(update={"relations": true})
    assert all(one.holds for one in judge_things(shown, data.draw(st.permutations(places))))


def test_of_too_many_to_compare_a_good_one_is_improved(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = graph_of(
        node("a", "circle", colour="red", count=4), node("b", "circle", colour="red", count=4), relations="a left-of b"
    )
    things = [thing("circle", "red", x=200 * (n % 2), y=7 * n) for n in range(8)]
    exact = judge_things(wanted, things)
    monkeypatch.setattr(matching, "MOST_MATCHINGS", 10)
    assert judge_things(wanted, things) == exact
    assert all(one.holds for one in exact)


def test_twenty_of_three_colours_are_matched_at_once() -> None:
    wanted = graph_of(*(node(colour, "circle", 20, colour=colour) for colour in ("red", "blue", "green")))
    things = [thing("circle", ("red", "blue", "green")[n % 3], x=20 * n) for n in range(61)]
    assert failing(wanted, *things) == {("count", "red")}


RED, BLUE, STAR = thing("circle", "red"), thing("circle", "blue", x=40), thing("star", "red", y=60)
WANTED = graph_of(
    node("red", "circle", colour="red"),
    node("blue", "circle", colour="blue"),
    node("star", "star", colour="red"),
    relations="red left-of blue, star below red",
)


@pytest.mark.parametrize(
    ("things", "broken"),
    [
        ([RED, BLUE, STAR], set()),
        ([RED, STAR], {("object", "blue"), ("count", "red"), ("attribute", "blue"), ("relation", "red")}),
        ([RED, thing("circle", "green", x=40), STAR], {("attribute", "blue")}),
        ([thing("circle", "red", x=400), BLUE, STAR], {("relation", "red"), ("relation", "star")}),
        ([RED, BLUE, thing("circle", "blue", x=80), STAR], {("count", "red")}),
        ([RED, BLUE, STAR, thing("star", "blue", y=90)], {("count", "star")}),
        ([RED, BLUE, STAR, thing("ring", "red", x=90)], {("object", "")}),
        ([], {(kind, id) for kind in ("object", "attribute") for id in ("red", "blue", "star")}
         | {("count", "red"), ("count", "star"), ("relation", "red"), ("relation", "star")}),
    ],
)  # fmt: skip
def test_each_fault_breaks_its_own_atoms(things: list[SceneThing], broken: set[tuple[str, str]]) -> None:
    assert failing(WANTED, *things) == broken


def test_of_two_red_and_a_blue_circle_the_blue_one_is_missing() -> None:
    wanted = graph_of(node("r", "circle", colour="red", count=2), node("b", "circle", colour="blue"))
    assert failing(wanted, RED, thing("circle", "red", x=40)) == {("object", "b"), ("attribute", "b"), ("count", "r")}


def test_what_boxes_cannot_show_has_no_verdict() -> None:
    wanted = graph_of(node("a", "cat", count=1), node("b", "box"), relations="a behind b, b below a")
    found = judge_things(wanted, [thing("cat"), thing("box", y=50)])
    assert [(one.atom.value, one.holds) for one in found if one.atom.kind == "relation"] == [
        ("behind", None), ("below", True),
    ]  # fmt: skip
    wooden = SceneGraph(
        objects=(GraphObject(id="a", label="cat", attributes=(Attribute(kind="material", value="wooden"),)),)
    )
    assert [one.holds for one in judge_things(wooden, [thing("cat", "red")])] == [True, True, None]
    assert [one.holds for one in judge_things(wooden, [])] == [False, False, False]


def test_labels_are_one_whatever_their_case() -> None:
    assert failing(graph_of(node("a", "Red  Panda", colour="red")), thing("red panda", "Red")) == set()


def test_words_of_what_was_found() -> None:
    wanted = graph_of(node("a", "circle", colour="red", count=3), node("b", "star"), relations="b above a")
    things = [RED, thing("circle", "red", x=20), thing("circle", "blue", x=40), thing("star", "red", y=60)]
    assert [(one.expected, one.found) for one in judge_things(wanted, things)] == [
        ("circle", "circle"), ("3 circles", "3"), ("red circle", "1 blue, 2 red"),
        ("star", "star"), ("1 star", "1"), ("star above circle", "below"),
    ]  # fmt: skip
