from __future__ import annotations

import numpy as np
import pytest
from pictures import demo_rows, noise, photograph

from datagen import Record, Reject
from datagen.imaging.image import Image
from stages.filter_quality import FilterQuality


def judge(picture, **options):
    image = picture if isinstance(picture, Image) else Image.of(picture)
    return FilterQuality(FilterQuality.Config(**options)).process([Record("a", {"image": image})])[0]


@pytest.mark.parametrize(
    "row", [row for row in demo_rows().values() if row["id"] != "clock"], ids=lambda row: row["id"]
)
def test_sharp_photographs_pass(row):
    found = judge(photograph(row["uri"].rsplit("/", 1)[1]))
    assert set(found) == set(FilterQuality.writes)


def test_a_photograph_blurred_by_motion_is_rejected_with_its_score():
    answer = judge(photograph("clock_motion.png"))
    assert isinstance(answer, Reject)
    assert answer.reason == "blurred"
    assert 0 < answer.fields["sharpness"] < 50


def test_a_flat_picture_is_rejected():
    assert judge(noise(50, 60, spread=3)).reason == "flat"


def test_a_picture_of_pure_black_and_white_is_rejected():
    picture = np.zeros((40, 40, 3), np.uint8)
    picture[::2] = 255
    answer = judge(picture)
    assert answer.reason == "clipped"
    assert answer.fields["clipped"] == 1


def test_one_saturated_channel_is_not_clipping():
    picture = noise(40, 40, spread=40)
    picture[..., 0] = 255
    assert judge(picture)["clipped"] == 0


def test_sharpness_is_of_one_size():
    small = noise(256, 256, spread=30)
    large = np.kron(small, np.ones((8, 8, 1), np.uint8))
    sharp = [
        judge(picture, min_sharpness=0)["sharpness"]
        for picture in (np.kron(small, np.ones((2, 2, 1), np.uint8)), large)
    ]
    assert sharp[1] == pytest.approx(sharp[0], rel=0.01)


def test_scores_are_plain_numbers_in_their_units():
    found = judge(noise(64, 64, spread=40))
    assert all(type(value) is float for value in found.values())
    assert 0 < found["contrast"] < 1
