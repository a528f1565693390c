from __future__ import annotations

import numpy as np
import pytest
from pictures import demo_object, disc, noise

from datagen import Failed, Record, Reject
from datagen.imaging.geometry import dilate, draw_polygons, mask_bounds
from datagen.imaging.image import Image
from datagen.models.inpainters.telea import TeleaConfig
from stages.remove_subject import RemoveSubject

TELEA = TeleaConfig()


class Paint:
    """Stands in for a model: paints everything green and remembers what it was shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, images, masks, *, seeds):
        self.seeds = seeds
        self.shown += [(image.shape[:2], mask) for image, mask in zip(images, masks, strict=True)]
        return [np.full_like(image, (0, 255, 0)) for image in images]


def stage(**options):
    made = RemoveSubject(RemoveSubject.Config(**options))
    made.setup("cpu")
    return made


def painted(picture, mask, **options):
    made = stage(inpainter=TELEA, **options)
    made.inpainter = Paint()
    answer = made.process([Record("a", {"image": Image.of(picture), "mask": mask})])[0]
    return answer, made.inpainter.shown


def test_only_the_hole_changes_and_all_of_it_does():
    picture, mask = noise(80, 100), disc(80, 100, x=50, y=40, radius=8)
    answer, _ = painted(picture, mask, dilate_px=5)
    source, hole = answer["source"].array, answer["hole"]
    assert np.array_equal(hole, dilate(mask, 5))
    assert np.array_equal(source[~hole], picture[~hole])
    assert (source[hole] == (0, 255, 0)).all()


def test_the_masks_are_what_may_change_and_then_the_subject():
    picture, mask = noise(80, 100), disc(80, 100, x=50, y=40, radius=8)
    answer, _ = painted(picture, mask, dilate_px=5)
    changed, subject = answer["masks"]
    assert np.array_equal(changed, (answer["source"].array != picture).any(2))
    assert np.array_equal(subject, mask)


def test_the_paper_s_dilation_is_the_default():
    mask = np.zeros((101, 101), bool)
    mask[50, 50] = True
    answer, _ = painted(noise(101, 101), mask)
    assert mask_bounds(answer["hole"]) == (30, 30, 71, 71)


@pytest.mark.parametrize("size", [(300, 201), (201, 300), (255, 255)])
def test_a_large_picture_is_painted_small_and_pasted_back_exactly(size):
    picture, mask = noise(*size), disc(*size, x=100, y=100, radius=20)
    answer, shown = painted(picture, mask, dilate_px=3, long_side=100)
    (height, width), small_mask = shown[0]
    assert max(height, width) == 100
    assert height / width == pytest.approx(size[0] / size[1], rel=0.02)
    assert small_mask.shape == (height, width)
    source, hole = answer["source"].array, answer["hole"]
    assert np.array_equal(source[~hole], picture[~hole])
    assert (source[hole] == (0, 255, 0)).all()


def test_no_pixel_of_the_subject_is_left_at_the_smaller_size():
    picture = np.full((400, 400, 3), 90, np.uint8)
    mask = disc(400, 400, x=201, y=199, radius=31)
    picture[dilate(mask, 2)] = (255, 0, 0)
    made = stage(inpainter=TELEA, dilate_px=2, long_side=131)
    answer = made.process([Record("a", {"image": Image.of(picture), "mask": mask})])[0]
    assert np.abs(answer["source"].array.astype(int) - 90).max() <= 4


def test_a_small_picture_is_not_enlarged():
    _, shown = painted(noise(50, 60), disc(50, 60, x=30, y=25, radius=4), dilate_px=2, long_side=500)
    assert shown[0][0] == (50, 60)
    _, shown = painted(noise(50, 900), disc(50, 900, x=30, y=25, radius=4), dilate_px=2, long_side=None)
    assert shown[0][0] == (50, 900)


def test_nothing_left_to_paint_from_is_rejected():
    answer, shown = painted(noise(30, 30), disc(30, 30, x=15, y=15, radius=12))
    assert isinstance(answer, Reject)
    assert answer.reason == "no_background"
    assert not shown


def test_a_mask_of_another_size_fails_by_name():
    answer, _ = painted(noise(30, 40), np.zeros((20, 10), bool))
    assert isinstance(answer, Failed)
    assert answer.error == "the mask is 10x20, the picture 40x30"


def test_a_batch_of_different_sizes_is_answered_as_one_by_one():
    made = stage(dilate_px=4)
    image, thing = demo_object("coins", 4)
    records = [
        Record("a", {"image": image, "mask": draw_polygons(thing["polygons"], image.size)}),
        Record("b", {"image": Image.of(noise(60, 50)), "mask": disc(60, 50, x=20, y=20, radius=6)}),
    ]
    together = made.process(records)
    for record, answer in zip(records, together, strict=True):
        alone = made.process([record])[0]
        assert answer["source"] == alone["source"]
        assert np.array_equal(answer["hole"], alone["hole"])
