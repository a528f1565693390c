from __future__ import annotations

import numpy as np
import pytest
from colours import GREEN, RED, SCORER, Colours, plain
from hypothesis import given
from hypothesis import strategies as st

from datagen import Record, Reject
from stages.filter_direction import FilterDirection

BOUNDS = {"min_source_match": 0.2, "min_target_match": 0.2, "min_direction": 0.2, "min_similarity": 0}


def answer(source, target, before, after, **bounds):
    config = {"scorer": SCORER, **BOUNDS, **bounds}
    stage = FilterDirection(FilterDirection.Config.model_validate(config))
    stage.scorer = Colours()
    captions = {"source_caption": before, "target_caption": after}
    return stage.process([Record("a", {"source": source, "target": target, **captions})])[0]


def test_a_pair_that_changes_as_its_captions_do_passes():
    found = answer(RED, GREEN, "red", "green")
    assert found == {"source_match": 1, "target_match": 1, "direction": pytest.approx(1), "similarity": 0}


def test_a_pair_that_changes_the_other_way_is_rejected():
    found = answer(RED, GREEN, "green", "red", min_source_match=-1, min_target_match=-1)
    assert found.reason == "wrong_direction"
    assert found.fields["direction"] == pytest.approx(-1)


@pytest.mark.parametrize(
    ("bound", "reason"),
    [
        ({"min_source_match": 0.9}, "source_mismatch"),
        ({"min_target_match": 0.9}, "target_mismatch"),
        ({"min_direction": 0.99}, "wrong_direction"),
        ({"min_similarity": 0.9}, "too_different"),
    ],
)
def test_each_bound_has_its_reason(bound, reason):
    source, target = plain(200, 200, 0), plain(0, 200, 200)
    loose = dict.fromkeys(BOUNDS, -1)
    assert set(answer(source, target, "red", "green", **loose)) == set(FilterDirection.writes)
    assert answer(source, target, "red", "green", **{**loose, **bound}).reason == reason


@pytest.mark.parametrize(("target", "after"), [(RED, "green"), (GREEN, "red")], ids=["same picture", "same caption"])
def test_what_does_not_change_has_no_direction(target, after):
    found = answer(RED, target, "red", after, min_target_match=-1)
    assert found.reason == "wrong_direction"
    assert found.fields["direction"] == 0


def test_a_pair_without_a_caption_is_rejected_by_its_name():
    assert answer(RED, GREEN, "red", " ") == Reject("no_text", "blank: target_caption")
    assert answer(RED, GREEN, "", "").detail == "blank: source_caption, target_caption"


COLOUR = st.tuples(*[st.integers(1, 255)] * 3)


@given(COLOUR, COLOUR, st.sampled_from(["red", "green", "blue", "red green"]), st.sampled_from(["red", "blue"]))
def test_scores_are_those_of_instruct_pix2pix_code(one, other, before, after):
    """Cosines of embeddings of length 1, and of their differences."""
    found = answer(plain(*one), plain(*other), before, after, **dict.fromkeys(BOUNDS, -1))
    scorer = Colours()
    i0, i1 = scorer([np.array([[one]], np.uint8), np.array([[other]], np.uint8)])
    t0, t1 = scorer.texts([before, after])
    lengths = np.linalg.norm(i1 - i0) * np.linalg.norm(t1 - t0)
    direction = (i1 - i0) @ (t1 - t0) / lengths if lengths else 0
    expected = {"source_match": i0 @ t0, "target_match": i1 @ t1, "direction": direction, "similarity": i0 @ i1}
    assert found == pytest.approx(expected, abs=1e-4)
