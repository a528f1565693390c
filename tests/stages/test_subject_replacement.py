"""The stages of subject replacement that look at no more than one record: filters, the chosen object, the description."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import Map, Record, Reject
from datagen.imaging.image import Image
from stages.choose_subject import ChooseSubject
from stages.describe_replacement import DescribeReplacement
from stages.filter_annotated_match import FilterAnnotatedMatch
from stages.filter_operation import FilterOperation
from stages.square_reference import SquareReference


def answer(stage: type[Map], fields: dict[str, Any], **options: Any) -> Any:
    return stage(stage.Config(**options)).process([Record("a", fields)])[0]


@pytest.mark.parametrize(
    ("operation", "text", "unchanged"),
    [
        ("", "Replace the cat with a dog", True),
        ("", "please replace the cat with a dog", True),
        ("", "Please, replace the cat with a dog", True),
        ("", "add a replace", False),
        ("", "replaced by a dog", False),
        ("", "", False),
        ("Replace", "make it a dog", True),
        ("remove", "replace the cat with nothing", False),
    ],
)
def test_an_operation_is_told_by_the_source_or_the_first_word(operation: str, text: str, unchanged: bool) -> None:
    found = answer(FilterOperation, {"operation": operation, "text": text})
    assert (found == {}) is unchanged
    assert unchanged or found.reason == "other_operation"


def test_other_verbs_may_be_kept() -> None:
    fields = {"operation": "", "text": "swap the cat for a dog"}
    assert answer(FilterOperation, fields, verbs=["replace", "swap"]) == {}


@pytest.mark.parametrize(
    ("score", "reason"),
    [(0.31, None), (0.3, None), (0.29, "poor_match"), (-1.0, "poor_match"), (None, "no_match_score")],
)
def test_a_low_match_or_none_is_rejected(score: float | None, reason: str | None) -> None:
    found = answer(FilterAnnotatedMatch, {} if score is None else {"annotated_match": score})
    assert (found.reason if isinstance(found, Reject) else None) == reason


def thing(label: str, x: float = 0) -> dict[str, Any]:
    return {"label": label, "box": [x, 0, x + 5, 5], "polygons": [], "mask": None, "attributes": []}


@pytest.mark.parametrize(
    ("labels", "subject", "chosen"),
    [
        (["cat", "dog"], "dog", 1),
        (["a dog"], "dog", 0),
        (["tower", "lightning tower"], "tower", 0),
        (["coin"], "larger coin", 0),
        (["lightning tower", "rocket"], "tower", 0),
        (["astronaut"], "astronaut in a blue suit", 0),
        (["dog", "dog"], "dog", "several_subjects"),
        (["red dog", "blue dog"], "dog", "several_subjects"),
        (["catfish"], "cat", "no_subject"),
        ([], "cat", "no_subject"),
    ],
)
def test_the_object_that_the_subject_names_is_chosen(labels: list[str], subject: str, chosen: int | str) -> None:
    things = [thing(label, 10 * n) for n, label in enumerate(labels)]
    found = answer(ChooseSubject, {"objects": things, "subject": subject})
    if isinstance(chosen, str):
        assert found.reason == chosen
    else:
        assert found == {"box": tuple(things[chosen]["box"]), "polygons": [], "annotated_mask": {}}


def test_objects_that_were_found_go_before_those_of_the_source() -> None:
    fields = {"objects": [thing("dog")], "found_objects": [thing("dog", 20)], "subject": "dog"}
    assert answer(ChooseSubject, fields)["box"] == (20, 0, 25, 5)


def pair(source: tuple[int, int], target: tuple[int, int], **fields: Any) -> dict[str, Any]:
    pictures = {
        name: Image.of(np.zeros((height, width, 3), np.uint8))
        for name, (width, height) in (("source", source), ("target", target))
    }
    return {**pictures, "text": "replace the cat with a dog", "subject": "dog", **fields}


def one_pixel_changed() -> dict[str, Any]:
    """A pair of 40 x 20 that differs in its first pixel."""
    fields = pair((40, 20), (40, 20))
    changed = np.zeros((20, 40, 3), np.uint8)
    changed[0, 0, 2] = 1
    return {**fields, "target": Image.of(changed)}


def test_a_replacement_is_described() -> None:
    mask = np.zeros((20, 40), bool)
    mask[4:10, 6:12] = True
    found = answer(DescribeReplacement, {**one_pixel_changed(), "mask": mask, "box": (6.0, 4.0, 12.0, 10.0)})
    assert found["task"] == "subject_replace"
    assert [(one["member"], one["role"], one["label"]) for one in found["inputs"]] == [
        ("ref_0", "reference", "dog"),
        ("source", "source", ""),
    ]
    (edit,) = found["edits"]
    assert (edit["op"], edit["object"], edit["box"], edit["mask"]) == ("replace", "dog", [6, 4, 12, 10], "mask_0.png")
    changed, subject = found["masks"]
    assert (subject == mask).all()
    assert changed[0, 0]
    assert changed.sum() == mask.sum() + 1, "what may differ is all that differs, and the subject"


def test_without_a_cut_out_subject_what_differs_is_known_all_the_same() -> None:
    found = answer(DescribeReplacement, one_pixel_changed())
    (changed,) = found["masks"]
    assert np.argwhere(changed).tolist() == [[0, 0]]
    assert (found["edits"][0]["mask"], found["edits"][0]["box"]) == ("mask_0.png", [])


@given(st.integers(1, 4), st.integers(0, 9), st.integers(0, 9), st.integers(1, 10), st.integers(1, 10))
def test_box_and_mask_are_told_in_pixels_of_the_source(scale: int, x: int, y: int, width: int, height: int) -> None:
    mask = np.zeros((20, 40), bool)
    mask[y : y + height, x : x + width] = True
    box = (float(x), float(y), float(x + width), float(y + height))
    found = answer(DescribeReplacement, pair((40 * scale, 20 * scale), (40, 20), mask=mask, box=box))
    assert found["edits"][0]["box"] == pytest.approx([edge * scale for edge in box])
    changed, subject = found["masks"]
    assert changed.shape == subject.shape == (20 * scale, 40 * scale)
    assert subject.sum() == mask.sum() * scale**2
    assert changed.all() if scale > 1 else (changed == mask).all(), "of two sizes every pixel may differ"


def test_a_picture_of_another_shape_is_not_the_same_one_edited() -> None:
    found = answer(DescribeReplacement, pair((40, 20), (40, 40)))
    assert (found.reason, found.detail) == (
        "shapes_differ",
        "the source is 40x20, the target 40x40: one is not the other edited",
    )
    (changed,) = answer(DescribeReplacement, pair((512, 341), (768, 512)))["masks"]
    assert changed.shape == (341, 512)
    assert changed.all()


@pytest.mark.parametrize(("size", "side"), [((30, 50), 50), ((50, 30), 50), ((900, 300), 512), ((7, 7), 7)])
def test_a_reference_is_squared_on_white_and_never_enlarged(size: tuple[int, int], side: int) -> None:
    found = answer(SquareReference, {"reference": Image.of(np.zeros((size[1], size[0], 3), np.uint8))})
    (reference,) = found["refs"]
    assert reference.size == (side, side)
    black = (reference.array.max(axis=-1) < 128).mean()
    assert black == pytest.approx(min(size) / max(size), abs=0.02)
