"""Laws of drawn sessions: truth, words, conflicts, and that a specification decides every byte."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count
from world_sessions import of_plot, specification

from datagen.core.draws import NOISE_DEVIATION, Draws
from datagen.imaging.geometry import decode_rle, mask_bounds
from datagen.imaging.image import Mask
from datagen.worlds.conflicts import KINDS, TurnRelation, window_conflicts
from datagen.worlds.scene import shadow_box
from datagen.worlds.script import PLOTS, is_held_out, order_turns
from datagen.worlds.session import RenderedTurn, render_session, write_session
from datagen.worlds.specification import MOST_TURNS, OPERATIONS, Operation, WorldSpecification
from datagen.worlds.wording import load_wording

LOOKS = ("shapes", "cutouts")
SPECIFICATIONS = st.builds(
    specification,
    st.integers(0, 10_000),
    look=st.sampled_from(LOOKS),
    split=st.sampled_from(["tuned", "held_out"]),
    turns=st.sampled_from([1, 2, 4, 7]),
    shadow=st.sampled_from([0, 0.6]),
)
SOME = settings(max_examples=example_count(30), deadline=None)


def mask_of(turn: RenderedTurn) -> Mask:
    mask = turn.truth["mask"]
    return decode_rle(mask["counts"], (mask["size"][0], mask["size"][1]))


def fresh(spec: WorldSpecification) -> tuple[RenderedTurn, ...]:
    """The session rendered anew, but for photographs and sprites."""
    render_session.cache_clear()
    write_session.cache_clear()
    return render_session(spec)


@SOME
@given(SPECIFICATIONS)
def test_the_mask_is_where_source_and_target_differ_and_the_box_bounds_it(spec: WorldSpecification) -> None:
    for turn in render_session(spec):
        mask = mask_of(turn)
        assert np.array_equal(mask, (turn.source.array != turn.target.array).any(axis=-1))
        assert mask.any(), turn.text
        whole = (0, 0, spec.width, spec.height)
        is_global = turn.truth["op"] == "global" or (turn.truth["op"] == "undo" and not turn.truth["label"])
        assert tuple(turn.truth["box"]) == (whole if is_global else mask_bounds(mask))
        assert turn.truth["contrast"] > 0


@SOME
@given(SPECIFICATIONS)
def test_a_local_edit_lies_in_the_boxes_of_its_objects(spec: WorldSpecification) -> None:
    written = write_session(spec)
    for turn, rendered in zip(written.turns, render_session(spec), strict=True):
        if not turn.label:
            continue
        free = np.ones((spec.height, spec.width), np.bool_)
        for scene in (turn.facts.before, turn.facts.after):
            for thing in scene.objects:
                if thing.id in turn.facts.touched:
                    free[thing.y : thing.y + thing.height, thing.x : thing.x + thing.width] = False
                    if thing.shadow:
                        x0, y0, x1, y1 = shadow_box(thing)
                        free[y0:y1, x0:x1] = False
        assert not mask_of(rendered)[free].any()


@SOME
@given(SPECIFICATIONS, st.sampled_from(["none", "all"]))
def test_each_turn_starts_from_the_result_of_the_one_before(spec: WorldSpecification, damage: str) -> None:
    turns = render_session(spec.model_copy(update={"damage": damage}))
    assert len(turns) == spec.turns
    for earlier, later in pairwise(turns):
        assert later.source is earlier.target


@SOME
@given(st.integers(0, 60), st.sampled_from(LOOKS))
def test_an_undo_gives_the_picture_back_byte_for_byte(round: int, look: str) -> None:
    spec = of_plot("undo", round=round, look=look)
    written, rendered = write_session(spec), render_session(spec)
    for number, turn in enumerate(written.turns):
        if turn.op == "undo":
            assert np.array_equal(rendered[number].target.array, rendered[number - 1].source.array)
            break
    else:
        pytest.fail("the plot has no undo")


@SOME
@given(SPECIFICATIONS, st.sampled_from(["none", "all"]))
def test_the_same_specification_gives_the_same_bytes(spec: WorldSpecification, damage: str) -> None:
    spec = spec.model_copy(update={"damage": damage})
    one = render_session(spec)
    other = fresh(WorldSpecification.model_validate(json.loads(spec.model_dump_json())))
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.target.array, b.target.array)
        assert (a.text, a.truth) == (b.text, b.truth)


@pytest.mark.subprocess
def test_another_process_gives_the_same_bytes() -> None:
    program = """
import hashlib, sys
from world_sessions import specification
from datagen.worlds.session import render_session
for look in ("shapes", "cutouts"):
    for turn in render_session(specification(7, look=look, damage="all", shadow=0.5)):
        print(hashlib.sha256(turn.target.array.tobytes()).hexdigest(), turn.text)
"""
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


def test_draws_are_those_of_every_numpy() -> None:
    draws = Draws(7, "session")
    assert [draws.below(1000) for _ in range(4)] == DRAWN
    noise = Draws(3).noise((200, 300))
    assert noise.shape == (200, 300)
    assert abs(noise.mean()) < 3
    assert noise.std() == pytest.approx(NOISE_DEVIATION, rel=0.02)
    assert noise[0, :3].tolist() == NOISE


DRAWN = [157, 506, 848, 646]
NOISE = [82, -72, -241]


# Words


@SOME
@given(SPECIFICATIONS)
def test_words_name_one_object_and_no_other(spec: WorldSpecification) -> None:
    for turn in write_session(spec).turns:
        if turn.op not in ("remove", "replace", "change", "move") or turn.object == "it" or turn.facts.counts:
            continue
        (id,) = turn.facts.touched
        thing = turn.facts.before.get(id)
        assert thing
        others = [other for other in turn.facts.before.objects if other.id != id and other.label == thing.label]
        assert not any(other.colour in ("", thing.colour) for other in others), turn.text
        # Words that leave the colour out are clear without it.
        colours = load_wording("tuned")._names["colours"].get(thing.colour, (thing.colour,))
        assert turn.object.startswith(colours) or not others or not thing.colour
        assert turn.object in turn.text


@SOME
@given(st.integers(0, 500), st.integers(1, MOST_TURNS))
def test_a_session_has_as_many_turns_as_are_asked_for(session: int, turns: int) -> None:
    written = write_session(specification(session, turns=turns))
    assert len(written.turns) == turns
    assert all(turn.text.strip() and "{" not in turn.text for turn in written.turns)
    assert all(turn.facts.before.render().shape == (256, 256, 3) for turn in written.turns[:1])


@given(st.sampled_from(list(PLOTS)), st.integers(1, MOST_TURNS), st.integers(0, 10_000))
def test_a_plot_is_kept_in_its_order(plot: str, turns: int, seed: int) -> None:
    order = order_turns(plot, turns=turns, draws=Draws(seed))
    assert len(order) == turns
    featured = [name for group in PLOTS[plot] for name in group]
    if len(featured) > turns:
        assert set(order) == {"plain"}
    else:
        rest = iter(order)
        assert all(name in rest for name in featured)


# Conflicts


def sure(spec: WorldSpecification) -> set[str]:
    return {relation.kind for relation in write_session(spec).relations if relation.sure}


@pytest.mark.parametrize(
    ("plot", "kinds"),
    [
        ("same_object", {"same_object"}),
        ("undo", {"undo", "dangling"}),
        ("undo_by_name", {"undo"}),
        ("needs_result", {"needs_result"}),
        ("another", {"dangling"}),
        ("no_antecedent", {"dangling"}),
        ("standing_order", {"standing_order"}),
        ("flip_then_place", {"order"}),
        ("place_then_flip", {"order"}),
        ("count", {"count_of"}),
    ],
)
@pytest.mark.parametrize("look", LOOKS)
def test_a_plot_brings_its_conflict_and_no_other(plot: str, kinds: set[str], look: str) -> None:
    found = [sure(of_plot(plot, round=round, look=look)) for round in range(12)]
    # A scene may have no room, and a plot's own turn then is a plain one.
    assert sum(kinds <= one for one in found) >= 10
    assert sum(one <= kinds for one in found) >= 10


def test_a_flip_and_an_edit_of_a_part_stand_in_order_whatever_their_words() -> None:
    met = 0
    for plot in ("flip_then_place", "place_then_flip"):
        for round in range(12):
            written = write_session(of_plot(plot, round=round))
            flips = {number for number, turn in enumerate(written.turns, 1) if turn.facts.is_flip}
            parts = {number for number, turn in enumerate(written.turns, 1) if turn.facts.touched}
            wanted = {(min(pair), max(pair)) for pair in itertools.product(flips, parts)}
            found = {(one.first, one.second) for one in written.relations if one.kind == "order" and one.sure}
            assert found == wanted
            met += len(found)
    assert met > 24


def test_an_addition_that_names_nothing_has_a_pronoun_for_its_object() -> None:
    turns = [
        (earlier, later)
        for round in range(40)
        for earlier, later in pairwise(write_session(of_plot("another", round=round)).turns)
        if later.facts.follows and later.op == "add"
    ]
    unnamed = [(earlier, later) for earlier, later in turns if later.object == "it"]
    assert 0 < len(unnamed) < len(turns)
    for earlier, later in turns:
        named = earlier.object.split()[-1] in later.text or later.object in later.text
        assert named or later.object == "it"


def test_a_pronoun_dangles_and_meets_the_turn_before() -> None:
    for round in range(12):
        assert {"dangling"} < sure(of_plot("pronoun", round=round)) <= {"dangling", "same_object", "undo"}


@pytest.mark.parametrize("plot", ["plain", "same_noun", "global_colour", "old_anchor"])
@pytest.mark.parametrize("look", LOOKS)
def test_what_only_looks_like_a_conflict_is_none(plot: str, look: str) -> None:
    for round in range(12):
        written = write_session(of_plot(plot, round=round, look=look))
        assert not written.relations, [turn.text for turn in written.turns]


def test_hard_negatives_are_there() -> None:
    """The same noun in two places, and an anchor that was there from the start."""
    nouns = [write_session(of_plot("same_noun", round=round)).turns for round in range(12)]
    added = [[turn.label for turn in turns if turn.op == "add"] for turns in nouns]
    assert sum(len(set(labels)) < len(labels) for labels in added) >= 10
    anchored = [write_session(of_plot("old_anchor", round=round)).turns for round in range(12)]
    assert sum(any(turn.facts.anchor for turn in turns) for turns in anchored) >= 10


def test_every_kind_is_found_in_some_session() -> None:
    found = {
        relation.kind for number in range(len(PLOTS)) for relation in write_session(specification(number)).relations
    }
    assert found == set(KINDS)


def test_relations_stand_in_the_truth_of_the_later_turn() -> None:
    for number in range(len(PLOTS)):
        spec = specification(number)
        lines = [TurnRelation(**relation) for turn in render_session(spec) for relation in turn.truth["relations"]]
        assert tuple(lines) == write_session(spec).relations


@pytest.mark.parametrize(
    ("kind", "first", "windows"),
    [
        ("same_object", 2, {(1, 3), (2, 3), (1, 4), (2, 4)}),
        ("dangling", 2, {(3, 3), (3, 4)}),
        ("dangling", 0, {(1, 3), (2, 3), (3, 3), (1, 4), (2, 4), (3, 4)}),
        ("standing_order", 1, {(2, 3), (3, 3), (2, 4), (3, 4)}),
    ],
)
def test_which_windows_a_relation_of_the_third_turn_spoils(
    kind: str, first: int, windows: set[tuple[int, int]]
) -> None:
    relation = TurnRelation(first, 3, kind, "", True)  # type: ignore[arg-type]
    every = {(a, b) for b in range(1, 5) for a in range(1, b + 1)}
    assert {(a, b) for a, b in every if window_conflicts([relation], first=a, last=b)} == windows


OPERATION_OF = {"change": "recolour", "global": "global"}
"""Where a turn's `op` bears another name than the operation of the specification."""


@SOME
@given(
    st.integers(0, 10_000),
    st.sets(st.sampled_from(OPERATIONS), min_size=1).map(tuple).filter(lambda some: some != ("move",)),
)
def test_turns_do_what_the_specification_asks_for(session: int, operations: tuple[Operation, ...]) -> None:
    written = write_session(specification(session, operations=operations, turns=3))
    for turn in written.turns:
        assert turn.op == "undo" or OPERATION_OF.get(turn.op, turn.op) in operations, turn.text


def test_where_the_scene_allows_no_operation_that_is_asked_for_another_stands_in() -> None:
    written = write_session(specification(1, operations=("remove",), turns=12))
    assert [turn.op for turn in written.turns[:3]] == ["remove"] * 3
    assert len(written.turns) == 12


@SOME
@given(st.integers(0, 10_000), st.sampled_from(LOOKS))
def test_a_world_of_common_names_never_shows_one_that_is_held_out(session: int, look: str) -> None:
    written = write_session(specification(session, look=look, names="common", turns=4))
    shown = {(thing.label, thing.colour) for scene in written.scenes for thing in scene.objects}
    assert not [name for name in shown if is_held_out(*name)]


@SOME
@given(st.integers(0, 10_000))
def test_edits_of_held_out_names_bring_about_nothing_else(session: int) -> None:
    written = write_session(specification(session, names="held_out", turns=3, operations=("add", "recolour")))
    for before, after in pairwise(written.scenes):
        known = {(thing.label, thing.colour) for thing in written.first.objects}
        new = {(thing.label, thing.colour) for thing in after.objects} - known
        assert all(is_held_out(*name) for name in new), (before, after)
