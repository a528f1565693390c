"""Critiques and corrections from the verdicts on a graph's atoms."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_graphs import draw_shapes, graph_of, node
from rings import example_count

from datagen.core.errors import DataError
from datagen.scene_graphs.canonical import same_content
from datagen.scene_graphs.edit_words import read_edit
from datagen.scene_graphs.edits import apply_edit
from datagen.scene_graphs.faults import faults_of
from datagen.scene_graphs.graph import Atom, SceneGraph
from datagen.scene_graphs.matching import AtomVerdict, SceneThing, judge_things
from datagen.scene_graphs.observed import correction_of, critique_of, observed_graph

WANTED = graph_of(
    node("c", "circle", colour="red"),
    node("q", "square", 2, colour="blue"),
    node("s", "star", colour="green"),
    relations="c left-of q, s below c",
)


def verdicts(change: Callable[[list[SceneThing]], list[SceneThing]]) -> list[AtomVerdict]:
    things = [
        SceneThing("circle", (0, 0, 10, 10), {"colour": "red"}),
        SceneThing("square", (100, 0, 110, 10), {"colour": "blue"}),
        SceneThing("square", (100, 20, 110, 30), {"colour": "blue"}),
        SceneThing("star", (0, 100, 10, 110), {"colour": "green"}),
    ]
    return judge_things(WANTED, change(things))


def coloured(thing: SceneThing, colour: str) -> SceneThing:
    return thing._replace(attributes={"colour": colour})


def at(thing: SceneThing, x: float, y: float) -> SceneThing:
    return thing._replace(box=(x, y, x + 10, y + 10))


@pytest.mark.parametrize(
    ("change", "critique", "correction"),
    [
        (lambda things: things, "", ""),
        (lambda things: things[:3], "The star is missing.", "Add a green star below the circle."),
        (lambda things: [coloured(things[0], "pink"), *things[1:]],
         "The circle should be red, not pink.", "Make the circle red."),
        (lambda things: [*things[:2], things[3]], "There should be two squares, not one.",
         "Add one more square, so that there are two."),
        (lambda things: [*things, at(things[3], 40, 140)], "There should be one star, not two.",
         "Remove one of the two stars, so that one is left."),
        (lambda things: [*things[:3], at(things[3], 0, -100)],
         "The star should be below the circle, not above it.", "Move the star below the circle."),
        (lambda things: [*things, SceneThing("heart", (50, 50, 60, 60), {"colour": "red"})],
         "There should be no heart.", "Remove the heart."),
        (lambda things: things[1:3], "The circle is missing. The star is missing.", None),
    ],
)  # fmt: skip
def test_each_fault_has_words(
    change: Callable[[list[SceneThing]], list[SceneThing]], critique: str, correction: str | None
) -> None:
    found = verdicts(change)
    assert critique_of(WANTED, found) == critique
    if correction is not None:
        assert correction_of(WANTED, found) == correction


def test_what_verdicts_do_not_say_exactly_is_mended_by_what_should_be_there() -> None:
    two = graph_of(node("r", "circle", colour="red"), node("b", "circle", colour="blue"))
    found = judge_things(
        two, [SceneThing("circle", (20.0 * n, 0, 20.0 * n + 10, 10), {"colour": "red"}) for n in range(3)]
    )
    with pytest.raises(DataError):
        observed_graph(two, found)
    assert correction_of(two, found) == "Change the picture so that it shows this: A red circle and a blue circle."
    several = [AtomVerdict(Atom("attribute", "r", "red", "colour"), "red circle", "1 blue, 2 pink", False)]
    assert correction_of(two, several).startswith("Change the picture")
    level = graph_of(node("r", "circle"), node("q", "square"), relations="r above q")
    beside = [SceneThing("circle", (0, 0, 10, 10)), SceneThing("square", (2, 2, 12, 12))]
    assert critique_of(level, judge_things(level, beside)) == "The circle should be above the square."
    assert correction_of(level, judge_things(level, beside)).startswith("Change the picture")


@settings(max_examples=example_count(40), deadline=None)
@given(seed=st.integers(0, 10_000), pick=st.integers(0, 100))
def test_a_correction_leads_from_what_was_seen_to_the_graph(seed: int, pick: int) -> None:
    graph = draw_shapes(seed)
    faults = faults_of(graph)
    assume(faults)
    fault = faults[pick % len(faults)]
    failing = set(fault.failing)
    found = [_verdict(atom, fault.spoilt, holds=atom not in failing) for atom in graph.atoms()]
    assert critique_of(graph, found) or any(not atom.subject for atom in failing)
    try:
        seen = observed_graph(graph, found)
    except DataError:
        return
    words = correction_of(graph, found)
    if not words.startswith("Change the picture"):
        for sentence in words.split(". "):
            seen = apply_edit(read_edit(sentence.rstrip(".") + ".", seen), seen)
        assert same_content(seen, graph)


def _verdict(atom: Atom, spoilt: SceneGraph, *, holds: bool) -> AtomVerdict:
    """The verdict on an atom by a picture of a spoilt graph, as `judge_things` words it."""
    node_there = spoilt.get(atom.subject)
    found = {"object": "nothing", "relation": "none of these", "attribute": "nothing", "count": "0"}[atom.kind]
    if atom.kind == "count":
        label = atom.value and next((n.label for n in spoilt.objects if n.id == atom.subject), "")
        found = str(sum(n.count for n in spoilt.objects if n.label == label))
    elif atom.kind == "attribute" and node_there:
        found = node_there.get(atom.attribute)
    return AtomVerdict(atom, "x", found, holds)
