from __future__ import annotations

import asyncio

import numpy as np
import pytest
from pictures import demo_object, disc

from datagen import Record, Reject
from datagen.imaging.geometry import draw_polygons
from stages.check_completeness import CheckCompleteness


def judge(mask, **options):
    stage = CheckCompleteness(CheckCompleteness.Config(**options))
    stage.setup("cpu")
    return asyncio.run(stage.process_one(Record("a", {"mask": mask})))


def test_a_whole_object_inside_the_frame_passes():
    assert judge(disc(40, 50, x=25, y=20, radius=10)) == {"border_contact": 0.0, "largest_piece": 1.0}


@pytest.mark.parametrize("center", [(0, 20), (49, 20), (25, 0), (25, 39)])
def test_an_object_cut_by_any_edge_is_rejected(center):
    answer = judge(disc(40, 50, x=center[0], y=center[1], radius=10))
    assert isinstance(answer, Reject)
    assert answer.reason == "leaves_frame"
    assert answer.fields["border_contact"] > 0.2


def test_contact_is_the_share_of_the_outline():
    mask = np.zeros((20, 30), bool)
    mask[0:5, 10:20] = True
    assert judge(mask, max_border_contact=1)["border_contact"] == pytest.approx(10 / 30, abs=1e-4)
    assert judge(np.ones((5, 5), bool), max_border_contact=1)["border_contact"] == 1


def test_two_halves_are_rejected_and_a_speck_is_not():
    halves = disc(40, 80, x=20, y=20, radius=9) | disc(40, 80, x=60, y=20, radius=9)
    answer = judge(halves)
    assert answer.reason == "in_pieces"
    assert answer.fields["largest_piece"] == 0.5
    speck = disc(40, 80, x=20, y=20, radius=9)
    speck[30, 60] = True
    assert judge(speck)["largest_piece"] > 0.99


def test_an_empty_mask_has_no_piece():
    assert judge(np.zeros((5, 5), bool)).reason == "in_pieces"


@pytest.mark.parametrize(
    ("row", "number", "reason"),
    [("astronaut", 2, "leaves_frame"), ("rocket", 1, "leaves_frame"), ("coffee", 0, "in_pieces")],
)
def test_annotated_objects_that_are_not_whole(row, number, reason):
    image, thing = demo_object(row, number)
    assert judge(draw_polygons(thing["polygons"], image.size)).reason == reason
