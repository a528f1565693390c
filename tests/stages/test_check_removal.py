from __future__ import annotations

import numpy as np
import pytest
from pictures import demo_object, disc, noise

from datagen import Failed, Record, Reject
from datagen.imaging.geometry import dilate, draw_polygons
from datagen.imaging.image import Image
from datagen.models.inpainters.patch import PatchConfig
from datagen.models.inpainters.telea import TeleaConfig
from stages.check_removal import CheckRemoval
from stages.measure_removal import MeasureRemoval

MASK = disc(120, 150, x=75, y=60, radius=14)
HOLE = dilate(MASK, 5)
SCENE = noise(120, 150, seed=1)


def scores(before, after, *, mask=MASK, hole=HOLE):
    fields = {"image": Image.of(before), "source": Image.of(after), "mask": mask, "hole": hole}
    return MeasureRemoval(MeasureRemoval.Config()).process([Record("a", fields)])[0]


def judge(before, after, *, mask=MASK, hole=HOLE, **options):
    measured = scores(before, after, mask=mask, hole=hole)
    return CheckRemoval(CheckRemoval.Config(**options)).process([Record("a", measured)])[0]


def with_subject(level=230):
    return np.where(MASK[..., None], np.uint8(level), SCENE)


def test_a_perfect_removal_passes_with_all_scores():
    assert judge(with_subject(), SCENE) == {}
    found = scores(with_subject(), SCENE)
    assert set(found) == set(CheckRemoval.reads)
    assert found["outside_change"] == 0
    assert found["inside_change"] > 50
    assert found["seam"] == pytest.approx(1, abs=0.25)
    assert found["texture"] == pytest.approx(1, abs=0.25)
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize("by", [1, -1])
def test_a_change_outside_is_seen_in_either_direction(by):
    after = SCENE.copy()
    after[3, 3, 1] = int(after[3, 3, 1]) + by
    answer = judge(with_subject(), after)
    assert isinstance(answer, Reject)
    assert answer.reason == "outside_changed"
    assert answer.detail == "measured 1"
    assert judge(with_subject(), after, max_outside_change=1) == {}


def test_bytes_do_not_wrap():
    assert scores(with_subject(10), SCENE)["inside_change"] == pytest.approx(110, abs=4)


def test_a_subject_that_is_still_there_is_rejected():
    answer = judge(with_subject(), with_subject())
    assert answer.reason == "unchanged"
    assert answer.detail == "measured 0"


def test_a_fill_of_another_brightness_shows_its_seam():
    after = np.where(HOLE[..., None], np.clip(SCENE.astype(int) + 90, 0, 255), SCENE).astype(np.uint8)
    assert judge(with_subject(20), after).reason == "visible_seam"


def test_a_smooth_fill_in_a_rough_scene_is_smeared():
    after = np.where(HOLE[..., None], np.uint8(120), SCENE)
    answer = judge(with_subject(), after)
    assert answer.reason == "smeared"
    assert scores(with_subject(), after)["texture"] < 0.2


def test_a_smooth_fill_in_a_smooth_scene_is_not():
    plain = np.full_like(SCENE, 100)
    found = scores(np.where(MASK[..., None], np.uint8(200), plain), plain)
    assert found["texture"] == 1
    assert found["strangeness"] == 0


def test_what_resembles_nothing_around_it_is_implausible():
    bars = np.kron(np.random.default_rng(3).integers(0, 255, (15, 19, 3)), np.ones((8, 8, 1)))[:120, :150].astype(
        np.uint8
    )
    after = np.where(HOLE[..., None], bars, SCENE)
    assert judge(with_subject(), after, max_seam=100).reason == "implausible"


def test_pictures_of_different_sizes_fail_by_name():
    answer = scores(with_subject(), SCENE, mask=np.zeros((5, 6), bool))
    assert isinstance(answer, Failed)
    assert "(5, 6)" in answer.error


OBJECTS = {
    ("rocket", 0): None,
    ("coins", 1): None,
    ("coins", 2): None,
    ("hubble", 1): None,
    ("camera", 0): None,
    ("astronaut", 0): None,
    ("astronaut", 1): "implausible",
    ("coffee", 1): "implausible",
}


def removed(row, number, config):
    image, thing = demo_object(row, number)
    mask = draw_polygons(thing["polygons"], image.size)
    hole = dilate(mask, 8)
    return judge(image.array, config.load("cpu")([image.array], [hole], seeds=[0])[0], mask=mask, hole=hole)


@pytest.mark.parametrize(("key", "reason"), OBJECTS.items(), ids=str)
def test_removals_that_look_right_pass_and_those_that_do_not_are_rejected(key, reason):
    assert getattr(removed(*key, PatchConfig()), "reason", None) == reason


@pytest.mark.parametrize("key", [("coins", 1), ("hubble", 1), ("astronaut", 0), ("coffee", 1)], ids=str)
def test_telea_s_smears_are_rejected(key):
    assert removed(*key, TeleaConfig()).reason == "smeared"
