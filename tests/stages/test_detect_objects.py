"""Objects found where nobody annotated any; the models are fakes, as tests/models/test_grounding.py has the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import noise
from pydantic import ValidationError

from datagen import DataError, Record, Reject
from datagen.core.fields import Box
from datagen.imaging.geometry import decode_rle, encode_rle, iou
from datagen.imaging.image import Image
from datagen.models.detectors.base import Detection
from datagen.models.detectors.found_objects import non_maximum_suppression, resolve_phrases
from datagen.models.detectors.grounding_dino import GroundingDinoConfig
from datagen.models.segmenters.base import BoxPrompts, Segmentation
from stages.detect_objects import DetectObjects

PICTURE = Image.of(noise(40, 60))
OTHER = Image.of(noise(30, 50, seed=2))
CUP, DISH, DIM = (5.0, 5.0, 25.0, 25.0), (30.0, 5.0, 50.0, 25.0), (1.0, 1.0, 4.0, 4.0)
KNOWN = [{"label": "spoon", "box": [1, 2, 3, 4], "polygons": [], "mask": None, "attributes": []}]


class FakeDetector:
    """Finds the same in every picture, and notes what it was asked."""

    def __init__(self, *found: tuple[Box, float]) -> None:
        self.found = found
        self.requests: list[list[str]] = []

    def __call__(self, images: list[Any], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        self.requests += [list(one) for one in phrases]
        return [[Detection(box, score, some[0]) for box, score in self.found] for some in phrases]


class FakeSegmenter:
    """Fills boxes, but for those of 3 x 3 pixels."""

    def __init__(self) -> None:
        self.scenes: list[BoxPrompts] = []

    def __call__(self, scenes: list[BoxPrompts]) -> list[list[Segmentation]]:
        self.scenes += scenes
        return [[Segmentation(self._fill(scene.image, box), 0.9) for box in scene.boxes] for scene in scenes]

    def _fill(self, image: Any, box: Box) -> Any:
        mask = np.zeros(image.shape[:2], np.bool_)
        x0, y0, x1, y1 = (int(edge) for edge in box)
        mask[y0:y1, x0:x1] = (x1 - x0) > 3
        return mask


def stage(detector: FakeDetector, *, segmenter: FakeSegmenter | None = None, **options: Any) -> DetectObjects:
    given = {"detector": GroundingDinoConfig(), "phrases": ["cup"], "min_score": 0.35, **options}
    made = DetectObjects(DetectObjects.Config.model_validate(given))
    made.detector, made.segmenter = detector, segmenter
    return made


def record(image: Image = PICTURE, **fields: Any) -> Record:
    return Record("a", {"image": image, **fields})


def test_what_is_found_becomes_objects_best_first() -> None:
    made = stage(FakeDetector((CUP, 0.91234), (DISH, 0.4), (DIM, 0.34)))
    [answer] = made.process([record()])
    plain = {"label": "cup", "polygons": [], "mask": None, "attributes": []}
    assert answer == {
        "objects": [{**plain, "box": list(CUP), "score": 0.9123}, {**plain, "box": list(DISH), "score": 0.4}]
    }


def test_annotated_pictures_keep_what_they_have_and_no_model_is_asked() -> None:
    detector = FakeDetector((CUP, 0.9))
    known, new, empty = stage(detector).process([record(annotated=KNOWN), record(), record(annotated=[])])
    assert known == {"objects": KNOWN}
    assert new == empty
    assert len(detector.requests) == 2


def test_all_boxes_of_a_picture_are_segmented_in_one_scene() -> None:
    segmenter = FakeSegmenter()
    made = stage(FakeDetector((CUP, 0.9), (DISH, 0.8), (DIM, 0.7)), segmenter=segmenter)
    answers = made.process([record(), record(OTHER)])
    assert [len(scene.boxes) for scene in segmenter.scenes] == [3, 3]
    assert segmenter.scenes[0].image is PICTURE.array
    for answer, image in zip(answers, (PICTURE, OTHER), strict=True):
        assert [thing["box"] for thing in answer["objects"]] == [list(CUP), list(DISH)], "one has no pixel"
        mask = answer["objects"][0]["mask"]
        assert decode_rle(mask["counts"], tuple(mask["size"])).shape == (image.size[1], image.size[0])
        assert decode_rle(mask["counts"], tuple(mask["size"])).sum() == 400


def test_nothing_found_or_nothing_to_look_for_is_a_rejection() -> None:
    dim, none = stage(FakeDetector((CUP, 0.2))).process([record()]), stage(FakeDetector()).process([record()])
    assert dim == [Reject("no_object", "the best box scores 0.200, 0.35 is asked for")]
    assert none == [Reject("no_object", "there is nothing to look for, or nothing was found")]
    made = stage(FakeDetector((CUP, 0.9)), phrases=["{subject}"])
    assert isinstance(made.process([record(subject=" ")])[0], Reject)


def test_phrases_come_from_the_config_and_from_fields() -> None:
    made = stage(detector := FakeDetector((CUP, 0.9)), phrases=["cup", "{subject}", "{attributes}"])
    made.process([record(subject="red dish", attributes=["spoon", "cup"])])
    assert detector.requests == [["cup", "red dish", "spoon"]]
    assert DetectObjects.needs(made.config) == ("image", "subject", "attributes")
    with pytest.raises(DataError, match=r"field 'things' is to hold a phrase or a list of them, not list \[1, 2\]"):
        resolve_phrases(Record("a", {"things": [1, 2]}), ["{things}"])
    assert resolve_phrases(record(), ["a {{red}} cup"]) == ["a {red} cup"], (
        "one rule for braces, here and in filter_match"
    )
    with pytest.raises(ValidationError, match=r"braces hold a field by itself, such as '\{subject\}'"):
        stage(FakeDetector(), phrases=["a {subject}"])


def test_at_most_so_many_objects_are_kept() -> None:
    made = stage(FakeDetector((CUP, 0.9), (DISH, 0.8)), max_objects=1)
    assert [thing["box"] for thing in made.process([record()])[0]["objects"]] == [list(CUP)]


_EDGE = st.integers(0, 20)
_BOX = st.tuples(_EDGE, _EDGE, st.integers(1, 10), st.integers(1, 10)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


@given(st.lists(_BOX, max_size=12), st.floats(0, 1))
def test_no_two_that_are_kept_overlap_more_than_allowed(boxes: list[Box], most: float) -> None:
    found = [Detection(box, 1 - n / 100, "x") for n, box in enumerate(boxes)]
    remaining = non_maximum_suppression(found, max_overlap=most)
    assert remaining[:1] == found[:1]
    assert [one for one in found if one in remaining] == remaining
    for n, one in enumerate(remaining):
        assert all(iou(one.box, other.box) <= most for other in remaining[:n])
    for one in found:
        assert one in remaining or any(iou(one.box, other.box) > most for other in remaining)


@given(st.integers(1, 9), st.integers(1, 9), st.data())
def test_masks_survive_their_run_lengths(height: int, width: int, data: st.DataObject) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width)), np.bool_)
    mask = mask.reshape(height, width)
    assert np.array_equal(decode_rle(encode_rle(mask), (height, width)), mask)
