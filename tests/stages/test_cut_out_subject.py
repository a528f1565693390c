from __future__ import annotations

import numpy as np
import pytest
from pictures import demo_object, noise

from datagen import Failed, Record
from datagen.imaging.geometry import draw_polygons, mask_bounds
from datagen.imaging.image import Image
from stages.cut_out_subject import CutOutSubject


def cut(picture, mask, **options):
    record = Record("a", {"image": Image.of(picture), "mask": mask})
    return CutOutSubject(CutOutSubject.Config(**options)).process([record])[0]


def tall():
    picture, mask = noise(60, 50), np.zeros((60, 50), bool)
    mask[10:50, 20:30] = True
    mask[10, 20] = False
    return picture, mask


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_the_subject_stands_alone_in_the_middle_of_a_square(background, level):
    picture, mask = tall()
    answer = cut(picture, mask, background=background)
    (reference,) = answer["refs"]
    side = 40 + 2 * 2
    assert reference.size == (side, side)
    shown = reference.array[2:42, 17:27]
    inside = mask[10:50, 20:30]
    assert np.array_equal(shown[inside], picture[10:50, 20:30][inside])
    assert (shown[~inside] == level).all()
    around = reference.array.copy()
    around[2:42, 17:27] = level
    assert (around == level).all()


def test_a_large_subject_is_made_smaller_and_a_small_one_not_larger():
    picture, mask = tall()
    assert cut(picture, mask, max_size=32)["refs"][0].size == (32, 32)
    assert cut(picture, mask, max_size=512)["refs"][0].size == (44, 44)
    assert cut(picture, mask, margin=0)["refs"][0].size == (40, 40)


def test_colours_keep_their_channels():
    image, thing = demo_object("astronaut", 0)
    mask = draw_polygons(thing["polygons"], image.size)
    reference = cut(image.array, mask)["refs"][0].array
    x0, y0, x1, y1 = mask_bounds(mask)
    middle = image.array[(y0 + y1) // 2, (x0 + x1) // 2]
    side = reference.shape[0]
    top = (side - (y1 - y0)) // 2
    left = (side - (x1 - x0)) // 2
    assert np.array_equal(reference[top + (y1 - y0) // 2, left + (x1 - x0) // 2], middle)


def test_an_empty_mask_and_one_of_another_size_fail_by_name():
    picture, mask = tall()
    empty = cut(picture, np.zeros_like(mask))
    other = cut(picture, mask[:-1])
    assert isinstance(empty, Failed)
    assert "empty" in empty.error
    assert isinstance(other, Failed)
    assert other.error == "the mask is 50x59, the picture 50x60"
