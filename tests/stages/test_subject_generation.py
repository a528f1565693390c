"""From a caption with boxes to one record with several references: what is lost on the way stays a word."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import noise

from datagen.core.fields import PLACEHOLDER
from datagen.core.record import Record
from datagen.core.stage import Failed, Lost, Merged, Reject
from datagen.imaging.image import Image
from stages.combine_references import CombineReferences
from stages.expand_entities import ExpandEntities
from stages.filter_box import FilterBox
from stages.place_reference import PlaceReference
from stages.split_panels import SplitPanels

CAPTION = "A cup and a spoon lie on a saucer near a cup of tea."
PICTURE = Image.of(noise(40, 60))


def part(name: str, start: int, box: tuple[int, int, int, int], *, id: str = "") -> Record:
    mask_HW = np.zeros((40, 60), np.bool_)
    mask_HW[box[1] : box[3], box[0] : box[2]] = True
    cutout = Image.of(np.full((4, 4, 3), len(name), np.uint8))
    fields = {"caption": CAPTION, "entity": name, "span": [start, start + len(name)], "mask": mask_HW}
    return Record(id or f"a#{start}", {**fields, "cutouts": [cutout]}, parent="a")


CUP, SPOON, SAUCER = (
    part("cup", 2, (0, 0, 20, 20)),
    part("spoon", 12, (20, 0, 30, 10)),
    part("saucer", 27, (30, 0, 60, 40)),
)


def combine(*records: Record, lost: tuple[Lost, ...] = (), **options: Any) -> Any:
    return CombineReferences(CombineReferences.Config(**options)).process_group(list(records), list(lost))


def only(answer: Any) -> Merged:
    (merged,) = answer
    assert isinstance(merged, Merged)
    return merged


def test_references_come_in_the_order_of_the_caption() -> None:
    merged = only(combine(SAUCER, CUP, SPOON))
    assert merged.fields["instruction"] == ("A <imagehere> and a <imagehere> lie on a <imagehere> near a cup of tea.")
    assert merged.fields["text"] == merged.fields["target_caption"] == CAPTION
    assert [info["label"] for info in merged.fields["inputs"]] == ["cup", "spoon", "saucer"]
    assert [info["member"] for info in merged.fields["inputs"]] == ["ref_0", "ref_1", "ref_2"]
    assert [int(ref.array[0, 0, 0]) for ref in merged.fields["refs"]] == [3, 5, 6]
    assert merged.like.id == CUP.id
    assert merged.fields["subject"] == "cup, spoon, saucer"


def test_all_is_new_and_each_thing_has_its_mask() -> None:
    merged = only(combine(CUP, SPOON))
    assert "source" not in merged.fields
    new, cup, _ = merged.fields["masks"]
    assert new.all()
    assert (cup == CUP["mask"]).all()
    assert merged.fields["instances"][1] == {
        "label": "spoon",
        "box": [20, 0, 30, 10],
        "mask": "mask_2",
        "attributes": [],
    }


def test_a_sibling_that_was_lost_stays_a_word() -> None:
    merged = only(combine(CUP, SAUCER, lost=(Lost(SPOON.id, "rejected", "filter_box", "too_small"),)))
    assert merged.fields["instruction"] == "A <imagehere> and a spoon lie on a <imagehere> near a cup of tea."


def test_too_few_references_are_told_with_what_was_lost() -> None:
    lost = (Lost(SPOON.id, "rejected", "filter_box", "too_small"),)
    assert combine(CUP, lost=lost, min_references=2) == Reject("too_few_references", "1 < 2; 1 were lost on the way")


def test_of_words_that_meet_the_longer_name_is_replaced() -> None:
    whole = part("cup of tea", 41, (0, 20, 10, 30))
    inner = part("tea", 48, (40, 20, 50, 30))
    assert only(combine(inner, whole)).fields["instruction"].endswith("near a <imagehere>.")


def test_of_several_boxes_of_the_same_words_the_largest_is_taken() -> None:
    small, large = part("cup", 2, (0, 0, 5, 5), id="a#0"), part("cup", 2, (0, 20, 20, 40), id="a#1")
    assert only(combine(small, large)).like.id == "a#1"


def test_two_names_of_the_same_pixels_are_one_thing() -> None:
    again = part("spoon", 12, (0, 0, 20, 19))
    assert [info["label"] for info in only(combine(CUP, again)).fields["inputs"]] == ["cup"]
    assert len(only(combine(CUP, again, max_overlap=1)).fields["inputs"]) == 2


def test_of_too_many_the_largest_are_taken() -> None:
    merged = only(combine(CUP, SPOON, SAUCER, max_references=2))
    assert [info["label"] for info in merged.fields["inputs"]] == ["cup", "saucer"]


@given(st.permutations([CUP, SPOON, SAUCER]), st.integers(1, 3))
def test_the_order_of_the_siblings_changes_nothing(records: list[Record], most: int) -> None:
    one, other = only(combine(*records, max_references=most)), only(combine(CUP, SPOON, SAUCER, max_references=most))
    assert one.fields["instruction"] == other.fields["instruction"]
    assert one.fields["instruction"].count(PLACEHOLDER) == most == len(one.fields["refs"])


def test_an_entity_without_a_box_has_one_of_nan() -> None:
    bare = {"label": "cup", "start": 2, "end": 5, "box": None, "polygons": [], "mask": {}}
    record = Record("a", {"entities": [bare, {**bare, "box": [1.0, 2.0, 3.0, 4.0]}]})
    first, second = ExpandEntities(ExpandEntities.Config()).process([record])[0]  # type: ignore[misc]
    assert all(math.isnan(edge) for edge in first["entity_box"])
    assert second["entity_box"] == (1, 2, 3, 4)
    assert first["span"] == [2, 5]


@pytest.mark.parametrize(
    ("box", "answer"),
    [
        ((0, 0, 30, 40), {"box_ratio": 0.5}),
        ((0, 0, 6, 20), {"box_ratio": 0.05}),
        ((0, 0, 5, 5), Reject("too_small", "box_ratio 0.01042 < 0.05 (min_ratio)", {"box_ratio": 0.010417})),
        ((0, 0, 60, 40), Reject("too_large", "box_ratio 1 > 0.8 (max_ratio)", {"box_ratio": 1.0})),
    ],
)
def test_a_box_is_held_against_both_bounds(box: Any, answer: Any) -> None:
    assert FilterBox(FilterBox.Config()).process([Record("a", {"image": PICTURE, "box": box})]) == [answer]


def test_a_thing_without_a_box_is_rejected_and_a_box_beside_the_picture_fails() -> None:
    boxes = ((math.nan,) * 4, (-50, 0, -40, 9))
    records = [Record("a", {"image": PICTURE, "box": box}) for box in boxes]
    none, beside = FilterBox(FilterBox.Config()).process(records)
    assert none == Reject("no_box", "nothing tells where in the picture it is")
    assert isinstance(beside, Failed)
    assert "lies outside the picture" in beside.error


RATED = {"compositeStructure": 5, "objectConsistency": 5, "imageQuality": 5}


def panels(width: int, height: int, *, ratings: Any = RATED, valid: bool = True, **options: Any) -> Any:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, width // 2 :] = 200
    about = {"item": "cup", "captions": ["A cup.", "The cup."], "valid": valid, "ratings": ratings}
    record = Record("a", {"image": Image.of(pixels), "panels": about})
    return SplitPanels(SplitPanels.Config(**options)).process([record])[0]


@pytest.mark.parametrize(("width", "height", "side"), [(1072, 544, 512), (1048, 528, 512), (1024, 512, 512)])
def test_panels_are_told_by_the_size_of_the_picture(width: int, height: int, side: int) -> None:
    left, right = panels(width, height)
    assert left["target"].size == right["target"].size == (side, side)
    assert (left["target"].array[:, 0].max(), right["target"].array[:, -1].min()) == (0, 200)
    assert left["refs"][0].array.tobytes() == right["target"].array.tobytes()
    assert (left["target_caption"], right["target_caption"]) == ("A cup.", "The cup.")


def test_padding_may_be_told_and_one_direction_taken() -> None:
    (left,) = panels(1056, 528, padding=8, targets=("left",))
    assert left["target"].size == (512, 512)


@pytest.mark.parametrize(("width", "height", "options"), [(500, 500, {}), (1200, 512, {}), (64, 64, {"padding": 40})])
def test_a_picture_that_is_not_of_two_panels_fails(width: int, height: int, options: Any) -> None:
    answer = panels(width, height, **options)
    assert isinstance(answer, Failed)
    assert f"the picture is {width}x{height}, which is not of two panels" in answer.error


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"ratings": {**RATED, "imageQuality": 4}}, "low_rating"),
        ({"ratings": {}}, "unrated"),
        ({"valid": False}, "invalid"),
    ],
)
def test_pairs_that_are_not_rated_well_are_rejected(about: Any, reason: str) -> None:
    assert panels(1024, 512, **about).reason == reason


def test_a_caption_that_does_not_name_its_subject_is_rejected() -> None:
    named, unnamed = PlaceReference(PlaceReference.Config()).process(
        [Record(id, {"caption": CAPTION, "subject": subject}) for id, subject in (("a", "saucer"), ("b", "fork"))]
    )
    assert named["instruction"] == "A cup and a spoon lie on <imagehere> near a cup of tea."  # type: ignore[index,call-overload]
    assert unnamed == Reject("unnamed", "the caption does not say 'fork'")
