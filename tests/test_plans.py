"""Plans end in their graph, every beginning is a sound part of it, and its words lead there."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_graphs import WORDS, draw_shapes, graph_of, is_part, node
from rings import example_count

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.scene_graphs.canonical import same_content
from datagen.scene_graphs.differences import edits_between, write_edits
from datagen.scene_graphs.edit_words import read_edit
from datagen.scene_graphs.edits import apply_edit
from datagen.scene_graphs.graph import SceneGraph, same_graph
from datagen.scene_graphs.plans import PlanOptions, PlanStep, growth_order, make_plan, subgraphs
from datagen.scene_graphs.vocabulary import Vocabulary
from datagen.scene_graphs.wording import describe

STRAIGHT = PlanOptions(intermediates=(0, 9), detours=0, late_attributes=0, late_counts=0)
"""Objects alone, in whatever number of steps."""
SEEDS = st.integers(0, 10**6)


CHAIN = graph_of(
    node("a", "circle", colour="red"),
    node("b", "square", 2, colour="blue"),
    node("c", "star"),
    node("d", "heart"),
    relations="a left-of b, b above c, d below c",
)
CIRCLE = graph_of(
    node("a", "circle"), node("b", "square"), node("c", "star"), relations="a left-of b, b left-of c, a left-of c"
)


def connected_as(part: SceneGraph, whole: SceneGraph) -> bool:
    """Whether nodes of a part that are connected in the whole are connected in the part."""
    ids = {node.id for node in part.objects}
    return {frozenset(each & ids) for each in whole.components()} - {frozenset()} == {
        frozenset(each) for each in part.components()
    }


# Orders and parts


@settings(max_examples=example_count(100), deadline=None)
@given(seed=SEEDS)
def test_every_beginning_of_an_order_is_connected_where_the_graph_is(seed: int) -> None:
    graph = draw_shapes(seed, most_nodes=7, edges=2)
    order = growth_order(graph, Draws(seed))
    assert sorted(order) == sorted(node.id for node in graph.objects)
    for end in range(1, len(order) + 1):
        assert connected_as(graph.subgraph(order[:end]), graph)


def test_an_order_of_a_graph_in_two_parts_may_mix_them() -> None:
    graph = graph_of(node("a", "circle"), node("b", "square"), node("c", "star"), relations="a left-of b")
    orders = {tuple(growth_order(graph, Draws(seed))) for seed in range(60)}
    assert ("a", "c", "b") in orders
    assert ("c", "b", "a") in orders


def test_an_order_of_a_graph_with_a_circle_has_all_objects() -> None:
    assert sorted(growth_order(CIRCLE, Draws(1))) == ["a", "b", "c"]


@settings(max_examples=example_count(60), deadline=None)
@given(seed=SEEDS, count=st.integers(1, 6))
def test_parts_are_induced_connected_and_different(seed: int, count: int) -> None:
    graph = draw_shapes(seed, most_nodes=6)
    parts = subgraphs(graph, Draws(seed), count=count)
    assert len(parts) <= count
    assert len({tuple(node.id for node in part.objects) for part in parts}) == len(parts)
    for part in parts:
        assert is_part(part, graph)
        assert connected_as(part, graph)
        assert len(part.objects) >= 2
        assert part.complexity() >= 3
    if parts:
        assert same_graph(parts[0], graph)
    else:
        assert len(graph.objects) < 2 or graph.complexity() < 3


def test_where_there_are_too_few_parts_they_come_in_other_orders() -> None:
    graph = graph_of(node("a", "circle", colour="red"), node("b", "square"), relations="a left-of b")
    parts = subgraphs(graph, Draws(3), count=5)
    assert sorted(tuple(each.id for each in part.objects) for part in parts) == [("a", "b"), ("b", "a")]


# Edits between graphs


@settings(max_examples=example_count(60), deadline=None)
@given(seed=SEEDS)
def test_the_edits_between_the_graphs_of_a_plan_lead_from_one_to_the_next(seed: int) -> None:
    plan = plan_of(draw_shapes(seed), seed)
    for before, after in pairwise(plan):
        graph = before.graph
        for edit in edits_between(before.graph, after.graph):
            graph = apply_edit(edit, graph)
        assert same_graph(graph, after.graph)


def test_an_attribute_that_is_only_given_up_is_no_edit() -> None:
    with pytest.raises(DataError, match="differ in more than"):
        edits_between(graph_of(node("a", "circle", colour="red")), graph_of(node("a", "circle")))


def test_relations_that_changed_are_moves() -> None:
    after = CHAIN.model_copy(
        update={"relations": (*CHAIN.relations[:-1], CHAIN.relations[-1].model_copy(update={"predicate": "above"}))}
    )
    assert write_edits(CHAIN, after) == "Move the star, so that the heart is above it."


def test_equal_graphs_need_no_words() -> None:
    assert write_edits(CHAIN, CHAIN) == ""


# Plans


def plan_of(graph: SceneGraph, seed: int, words: Vocabulary = WORDS, **options: object) -> list[PlanStep]:
    try:
        return make_plan(graph, Draws(seed, "plan"), options=PlanOptions.model_validate(options), vocabulary=words)
    except DataError:
        assume(False)
        raise


@settings(max_examples=example_count(100), deadline=None)
@given(seed=SEEDS)
def test_without_detours_every_beginning_is_an_induced_subgraph(seed: int) -> None:
    graph = draw_shapes(seed, most_nodes=7, edges=2)
    plan = plan_of(graph, seed, **dict(STRAIGHT))
    assert plan[-1].graph == graph
    for step in plan:
        assert step.op == "add"
        assert is_part(step.graph, graph)
        assert connected_as(step.graph, graph)
        assert step.description == describe(step.graph)


@settings(max_examples=example_count(100), deadline=None)
@given(seed=SEEDS, fewest=st.integers(2, 4), more=st.integers(0, 3))
def test_a_plan_has_as_many_pictures_as_wanted_and_ends_in_its_graph(seed: int, fewest: int, more: int) -> None:
    graph = draw_shapes(seed)
    plan = plan_of(graph, seed, intermediates=(fewest, fewest + more), detours=0.7)
    assert fewest + 1 <= len(plan) <= fewest + more + 1
    assert plan[-1].graph == graph
    assert all(step.instruction for step in plan)
    graphs = [step.graph for step in plan]
    assert all(not same_graph(one, other) for one, other in pairwise(graphs))


@settings(max_examples=example_count(100), deadline=None)
@given(seed=SEEDS)
def test_the_words_of_a_step_lead_from_the_graph_before_to_its_own(seed: int) -> None:
    """Each sentence is read with the graph before it alone."""
    plan = plan_of(draw_shapes(seed), seed, detours=0.7)
    graph = plan[0].graph.subgraph(())
    for step in plan:
        for sentence in step.instruction.removesuffix(".").split(". "):
            graph = apply_edit(read_edit(f"{sentence}.", graph), graph)
        assert same_content(graph, step.graph)
        graph = step.graph


@settings(max_examples=example_count(60), deadline=None)
@given(seed=SEEDS)
def test_what_is_late_is_missing_before_and_never_wrong(seed: int) -> None:
    graph = draw_shapes(seed)
    plan = plan_of(graph, seed, detours=0, late_attributes=1, late_counts=1)
    for step in plan:
        assert step.op in ("add", "change")
        for each in step.graph.objects:
            final = graph.get(each.id)
            assert final
            assert each.label == final.label
            assert each.count <= final.count
            assert set(each.attributes) <= set(final.attributes)


@pytest.mark.parametrize("kind", ["change", "swap", "remove"])
def test_a_detour_does_what_its_kind_says(kind: str) -> None:
    for seed in range(10):
        plan = plan_of(CHAIN, seed, detours=1, late_attributes=0, late_counts=0, kinds=(kind,))
        ops = [step.op for step in plan]
        assert ops.count(kind) == 1
        assert set(ops) == {"add", kind}
        before = plan[ops.index(kind) - 1].graph
        assert not is_part(before, CHAIN)


def test_a_plan_that_would_be_too_short_takes_what_may_come_late() -> None:
    graph = graph_of(node("a", "circle", 3), node("b", "square", colour="blue"), relations="a left-of b")
    for seed in range(10):
        plan = plan_of(graph, seed, detours=0, late_attributes=0.01, late_counts=0.01, words=Vocabulary())
        assert len(plan) == 4
        assert sorted(step.op for step in plan) == ["add", "add", "add", "change"]


def test_equal_draws_give_equal_plans_and_others_give_others() -> None:
    plans = [[step.instruction for step in plan_of(CHAIN, seed)] for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]


def test_a_step_may_bring_several_objects() -> None:
    plan = plan_of(CHAIN, 4, **{**dict(STRAIGHT), "intermediates": (1, 1)})
    assert len(plan) == 2
    assert sum(step.instruction.count("Add") for step in plan) == 4


@pytest.mark.parametrize(
    ("graph", "options"),
    [
        pytest.param(graph_of(node("a", "circle")), {}, id="one object of which nothing else is said"),
        pytest.param(CHAIN, {"intermediates": (8, 9)}, id="more steps than there are things to do"),
        pytest.param(
            CHAIN.subgraph("ab"), {"detours": 0, "late_attributes": 0, "late_counts": 0}, id="two objects, nothing late"
        ),
        pytest.param(
            graph_of(*(node(id, "circle") for id in "abcd"), relations="a left-of b, b left-of c, c left-of d"),
            {},
            id="equal objects that no name tells apart",
        ),
    ],
)
def test_a_graph_of_which_there_is_no_plan_is_refused(graph: SceneGraph, options: dict[str, Any]) -> None:
    with pytest.raises(DataError, match=r"no plan of \d to \d+ steps"):
        make_plan(graph, Draws(1), options=PlanOptions(**options))


def test_twenty_equal_things_may_come_in_two_steps() -> None:
    graph = graph_of(
        node("a", "circle", 20), node("b", "square"), node("c", "star"), relations="a left-of b, c above b"
    )
    plans = [plan_of(graph, seed, detours=0, words=Vocabulary()) for seed in range(5)]
    assert all("nineteen more circles" in " ".join(step.instruction for step in plan) for plan in plans)
