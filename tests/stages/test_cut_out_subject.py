from __future__ import annotations

import numpy as np
import pytest
from pictures import demo_object, noise

from datagen import Failed, Record, Reject
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


def rectangle(x0, y0, x1, y1):
    return [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]]


def annotated(label, *edges, mask=None):
    return {"label": label, "box": list(edges), "polygons": rectangle(*edges), "mask": mask, "attributes": []}


def cut_among(*things, field="objects", **options):
    """The reference of a plain subject of 40 x 40 at 10, 10, where red is what others show; None if rejected."""
    picture, mask = np.full((60, 60, 3), 90, np.uint8), np.zeros((60, 60), bool)
    mask[10:50, 10:50] = True
    for thing in things:
        x0, y0, x1, y1 = map(int, thing["box"])
        picture[y0:y1, x0:x1] = (255, 0, 0)
    stage = CutOutSubject(CutOutSubject.Config(margin=0, **options))
    return stage.process([Record("a", {"image": Image.of(picture), "mask": mask, field: list(things)})])[0]


def red(answer):
    return int((answer["refs"][0].array == (255, 0, 0)).all(axis=2).sum())


SPOON = annotated("teaspoon", 30, 30, 38, 58)


@pytest.mark.parametrize("field", ["objects", "found_objects"])
def test_what_lies_on_the_subject_is_no_part_of_its_reference(field):
    assert red(cut_among(SPOON, field=field)) == 0
    assert red(cut_among(SPOON, field=field, others="keep")) == 8 * 20


def test_found_objects_are_the_objects_and_a_mask_goes_before_polygons():
    assert red(cut_among({**SPOON, "polygons": [], "mask": None})) == 8 * 20, "a box shows no pixels"
    runs = {"size": [60, 60], "counts": [0, 3600]}
    assert red(cut_among({**SPOON, "mask": runs})) == 8 * 20, "everything is behind it"
    assert red(cut_among({**SPOON, "mask": {"size": [3, 3], "counts": [0, 9]}})) == 8 * 20, "of another picture"


def test_parts_stay_and_so_does_the_subject_itself():
    inside = (20, 20, 30, 30)
    assert red(cut_among(annotated("mission patch", *inside))) == 100
    assert red(cut_among(annotated("shoes", *inside))) == 100
    assert red(cut_among(annotated("teaspoon", *inside))) == 0
    assert red(cut_among(annotated("name tag", 40, 20, 60, 30))) == 0, "half of it is elsewhere"
    assert red(cut_among(annotated("saucer", 10, 10, 50, 50))) == 1600
    assert red(cut_among(annotated("saucer", 11, 11, 49, 49))) == 38 * 38, "drawn twice"
    assert red(cut_among(annotated("table", 0, 0, 60, 60))) == 1600, "what is around it lies behind it"


def test_a_subject_that_others_hide_is_rejected():
    cup = annotated("cup", 10, 10, 40, 40)
    assert cut_among(cup) == Reject("covered", "56 % of it is hidden by cup; at most 30 % may be (max_covered)")
    assert red(cut_among(cup, max_covered=0.6)) == 0
    halves = (annotated("cup", 10, 10, 30, 50), annotated("jug", 30, 10, 50, 50))
    assert cut_among(*halves, max_covered=1) == Reject(
        "covered", "100 % of it is hidden by cup, jug; at most 100 % may be (max_covered)"
    )
