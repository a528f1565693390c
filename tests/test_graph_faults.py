"""Faults: one thing is wrong, it is known which atoms fail, and the words of the correction alone mend it."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from made_graphs import WORDS, draw_shapes, graph_of, node
from rings import example_count

from datagen.core.draws import Draws
from datagen.core.errors import DataError
from datagen.scene_graphs.canonical import content_key
from datagen.scene_graphs.edit_words import read_edit
from datagen.scene_graphs.edits import apply_edit
from datagen.scene_graphs.fault_atoms import failing_atoms
from datagen.scene_graphs.faults import FAULT_KINDS, LACKS, GraphFault, could_become, draw_fault, faults_of
from datagen.scene_graphs.graph import SceneGraph
from datagen.scene_graphs.inspections import FORMS, InspectionForm, JudgedStep, judged_steps
from datagen.scene_graphs.plans import PlanOptions, PlanStep, make_plan
from datagen.scene_graphs.vocabulary import Vocabulary

FIVE = ("red", "blue", "green", "pink", "black")
SEEDS = st.integers(0, 10**6)
PAIR = graph_of(node("a", "circle", colour="red"), node("b", "square", 2, colour="blue"), relations="a left-of b")
RED_AND_BLUE = graph_of(
    node("a", "circle", colour="red"), node("b", "circle", colour="blue"), node("c", "star"), relations="a above c"
)
TWINS = graph_of(node("a", "circle"), node("b", "circle"), node("c", "star"), relations="a above c, b below c")


def fault_of(graph: SceneGraph, kind: str, node: str = "") -> GraphFault:
    found = [each for each in faults_of(graph, vocabulary=WORDS) if each.kind == kind and node in ("", each.node)]
    return found[0]


def atoms_of(fault: GraphFault) -> list[str]:
    return [" ".join(filter(None, (atom.kind, atom.subject, atom.value, atom.object))) for atom in fault.failing]


# Laws


@settings(max_examples=example_count(100), deadline=None)
@given(seed=SEEDS)
def test_the_correction_read_without_the_clean_graph_gives_its_content(seed: int) -> None:
    graph = draw_shapes(seed)
    for fault in draw_fault(graph, Draws(seed), vocabulary=WORDS):
        assert content_key(fault.spoilt) != content_key(graph)
        mended = apply_edit(read_edit(fault.correction, fault.spoilt), fault.spoilt)
        assert content_key(mended) == content_key(graph)
        assert fault.critique.endswith(".")
        break


@settings(max_examples=example_count(30), deadline=None)
@given(seed=SEEDS)
def test_all_faults_can_be_drawn_and_no_other(seed: int) -> None:
    graph = draw_shapes(seed, most_nodes=3)
    every = faults_of(graph, vocabulary=WORDS)
    drawn = [*draw_fault(graph, Draws(seed), vocabulary=WORDS)]
    assert Counter(fault.correction + fault.kind for fault in drawn) == Counter(
        fault.correction + fault.kind for fault in every
    )


@settings(max_examples=example_count(60), deadline=None)
@given(seed=SEEDS, other=SEEDS)
def test_no_fault_of_a_beginning_is_another_beginning(seed: int, other: int) -> None:
    whole = draw_shapes(seed)
    part = whole.subgraph({node.id for node in whole.objects if Draws(other, node.id).happens(0.6)})
    assert could_become(part, whole)
    for fault in faults_of(part, whole=whole, vocabulary=WORDS):
        assert could_become(fault.spoilt, whole) == (fault.kind in LACKS)


def test_each_kind_is_as_likely_as_the_others() -> None:
    first = Counter(next(draw_fault(PAIR, Draws(seed), vocabulary=WORDS)).kind for seed in range(600))
    assert set(first) == set(FAULT_KINDS)
    assert min(first.values()) > 70


def test_kinds_and_nodes_limit_what_is_spoilt() -> None:
    found = faults_of(PAIR, vocabulary=WORDS, kinds=("missing", "relation", "extra"), nodes=("a",))
    assert {(fault.kind, fault.node) for fault in found} == {("missing", "a"), ("relation", "a"), ("extra", "x1")}


# What fails


@pytest.mark.parametrize(
    ("kind", "node", "atoms"),
    [
        ("count_more", "b", ["count b 2"]),
        ("count_less", "b", ["count b 2"]),
        ("attribute", "a", ["attribute a red"]),
        ("relation", "a", ["relation a left of b"]),
        ("missing", "a", ["object a", "count a 1", "attribute a red", "relation a left of b"]),
        ("extra", "x1", ["count a 1"]),
    ],
)
def test_which_atoms_fail(kind: str, node: str, atoms: list[str]) -> None:
    assert atoms_of(fault_of(PAIR, kind, node)) == atoms


def test_an_object_of_another_kind_is_an_atom_of_its_own() -> None:
    graph = graph_of(node("a", "circle"), node("b", "square"), relations="a left-of b")
    (fault, *_) = faults_of(graph, vocabulary=WORDS, kinds=("extra",))
    assert fault.failing[0][:3] == ("object", "", fault.spoilt.objects[-1].label)


def test_a_missing_object_is_not_one_of_another_attribute() -> None:
    """The blue circle that is left is not taken for the red one that is missing."""
    fault = fault_of(RED_AND_BLUE, "missing", "a")
    assert atoms_of(fault) == ["object a", "count a 2", "attribute a red", "relation a above c"]


def test_mirrored_twins_look_the_same_so_that_there_is_no_such_fault() -> None:
    graph = graph_of(node("a", "circle"), node("b", "circle"), relations="a left-of b")
    mirrored = graph_of(node("a", "circle"), node("b", "circle"), relations="a right-of b")
    assert failing_atoms(graph, mirrored) == ()
    assert faults_of(graph, vocabulary=Vocabulary()) == []


def test_what_hangs_on_where_things_happen_to_stand_is_no_fault() -> None:
    """Without `a`, `b` may stand above or below the star as it likes: which of the two relations fails is open."""
    gone = graph_of(node("b", "circle"), node("c", "star"))
    assert failing_atoms(TWINS, gone) == ()
    # Where it is known to be below, the relation of `a` fails and that of `b` holds.
    below = TWINS.subgraph("bc")
    assert [atom.kind for atom in failing_atoms(TWINS, below)] == ["object", "count", "relation"]


def test_equal_things_beyond_count_make_too_many_matchings() -> None:
    many = graph_of(*(node(f"n{n}", "circle", 20, colour="red") for n in range(6)))
    assert failing_atoms(many, many.subgraph({f"n{n}" for n in range(5)})) == ()


def test_a_new_value_is_none_of_the_things_of_this_kind() -> None:
    """Else a red circle that becomes blue would be the blue one."""
    values = {
        fault.spoilt.objects[0].get("colour")
        for fault in faults_of(RED_AND_BLUE, vocabulary=WORDS, kinds=("attribute",), nodes=("a",))
    }
    assert values
    assert not values & {"red", "blue"}


def test_a_graph_of_one_object_has_no_missing_one() -> None:
    assert {fault.kind for fault in faults_of(graph_of(node("a", "circle")), vocabulary=WORDS)} == {
        "count_more",
        "extra",
    }


def test_the_words_of_each_kind() -> None:
    words = {kind: (fault_of(PAIR, kind).critique, fault_of(PAIR, kind).correction) for kind in FAULT_KINDS}
    assert words == {
        "count_more": (
            "There should be one red circle, not two.",
            "Remove one of the two circles, so that one is left.",
        ),
        "count_less": ("There should be two blue squares, not one.", "Add one more square, so that there are two."),
        "attribute": ("The circle should be red, not yellow.", "Make the circle red."),
        "relation": (
            "The circle should be to the left of the two squares, not to the right of them.",
            "Move the circle to the left of the two squares.",
        ),
        "missing": ("The circle is missing.", "Add a red circle to the left of the two squares."),
        "extra": ("The yellow circle should not be there.", "Remove the yellow circle."),
    }


# Which step is judged


def plan_for(seed: int, **options: float) -> list[PlanStep]:
    try:
        graph = draw_shapes(seed)
        return make_plan(graph, Draws(seed, "plan"), options=PlanOptions.model_validate(options), vocabulary=WORDS)
    except DataError:
        assume(False)
        raise


def first_of(form: InspectionForm, plan: list[PlanStep], seed: int) -> JudgedStep | None:
    return next(judged_steps(form, plan, Draws(seed, form), vocabulary=WORDS), None)


@settings(max_examples=example_count(100), deadline=None)
@given(seed=SEEDS)
def test_an_unfinished_beginning_is_never_inconsistent(seed: int) -> None:
    plan = plan_for(seed, detours=0.7)
    whole = plan[-1].graph
    for judged in judged_steps("inspect_text", plan, Draws(seed), vocabulary=WORDS):
        assert could_become(judged.graph, whole)
        # Where something is lacking, the instruction asks for what is not in the description.
        if judged.fault is None or judged.fault.kind in LACKS:
            assert judged.instruction == plan[judged.number - 1].instruction
        else:
            assert not could_become(judged.shown, whole)
            assert judged.instruction != plan[judged.number - 1].instruction


@settings(max_examples=example_count(60), deadline=None)
@given(seed=SEEDS)
def test_a_picture_is_wrong_in_what_its_step_does_or_has_an_object_too_many(seed: int) -> None:
    plan = plan_for(seed)
    for judged in judged_steps("inspect_image", plan, Draws(seed), vocabulary=WORDS):
        if judged.fault and judged.fault.kind != "extra":
            before = plan[judged.number - 2].graph if judged.number > 1 else SceneGraph()
            touched = {node.id for node in judged.graph.objects if before.get(node.id) != node}
            ends = {edge.object for edge in judged.graph.relations if edge.subject == judged.fault.node}
            assert judged.fault.node in touched or (judged.fault.kind == "relation" and touched & ends)


def test_verdicts_and_beginnings_are_balanced_and_do_not_depend_on_each_other() -> None:
    plans = [plan for seed in range(400) if len(draw_shapes(seed).objects) > 2 for plan in [plan_for(seed)]]
    for form in FORMS:
        steps = [(plan, first_of(form, plan, seed)) for seed, plan in enumerate(plans)]
        found = Counter((judged.fault is None, judged.number == len(plan)) for plan, judged in steps if judged)
        share = sum(found.values()) / 4 if form != "refine" else sum(found.values()) / 2
        assert sum(found.values()) > 0.9 * len(plans)
        assert set(found) == (
            {(False, False), (False, True)} if form == "refine" else {(a, b) for a in (0, 1) for b in (0, 1)}
        )
        assert all(abs(number - share) < 0.3 * share for number in found.values())


def test_many_equal_objects_take_no_time() -> None:
    many = graph_of(*(node(f"n{number}", "circle", 1000, colour=colour) for number, colour in enumerate(FIVE)))
    start = time.process_time()
    assert failing_atoms(many, many.subgraph(["n0", "n1", "n2", "n3"])) == ()
    equal = graph_of(*(node(f"n{number}", "circle", colour="red") for number in range(100)))
    assert failing_atoms(equal, equal.subgraph(["n1"])) == ()
    two = equal.objects[0].model_copy(update={"count": 2})
    assert not could_become(equal.model_copy(update={"objects": (*equal.objects[1:], two)}), equal)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("seed", range(40))
def test_a_step_of_spoilt_text_does_something(seed: int) -> None:
    plan = make_plan(
        PAIR, Draws(seed), options=PlanOptions(intermediates=(3, 4), detours=1, kinds=("remove",)), vocabulary=WORDS
    )
    for draw in range(10):
        for judged in judged_steps("inspect_text", plan, Draws(seed, draw), vocabulary=WORDS, kinds=("extra",)):
            assert judged.instruction
