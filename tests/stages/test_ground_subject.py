"""A subject found by its name; the models are fakes, as tests/models/test_grounding.py has the real ones."""

from __future__ import annotations

from typing import Any

import pytest
from pictures import noise
from test_detect_objects import CUP, DIM, FakeDetector, FakeSegmenter

from datagen import Record, Reject
from datagen.imaging.image import Image
from datagen.models.detectors.grounding_dino import GroundingDinoConfig
from datagen.models.segmenters.grabcut import GrabCutConfig
from stages.ground_subject import GroundSubject

PICTURE = Image.of(noise(40, 60))


def stage(detector: FakeDetector, **options: Any) -> GroundSubject:
    given = {"detector": GroundingDinoConfig(), "segmenter": GrabCutConfig(), "min_score": 0.35, **options}
    made = GroundSubject(GroundSubject.Config.model_validate(given))
    made.detector, made.segmenter = detector, FakeSegmenter()
    return made


def record(subject: str = "cup", image: Image = PICTURE) -> Record:
    return Record("a", {"image": image, "subject": subject})


def test_the_best_box_and_its_pixels_are_the_subject() -> None:
    [answer] = stage(detector := FakeDetector((CUP, 0.91234), (DIM, 0.8))).process([record("red cup")])
    assert detector.requests == [["red cup"]]
    assert answer["box"] == CUP
    assert answer["box_score"] == 0.9123
    assert answer["mask"].sum() == 400
    assert answer["mask"].shape == (40, 60)


def test_records_of_one_picture_are_segmented_together() -> None:
    made = stage(FakeDetector((CUP, 0.9)))
    other = Image.of(noise(30, 50))
    assert len(made.process([record("cup"), record("dish", other), record("spoon")])) == 3
    assert [len(scene.boxes) for scene in made.segmenter.scenes] == [2, 1]


NEAR = (5.0, 5.0, 9.9, 9.9)


@pytest.mark.parametrize(
    ("detector", "options", "reason", "message"),
    [
        (FakeDetector(), {}, "no_subject", "nothing was found for 'cup'"),
        (FakeDetector((CUP, 0.31)), {}, "no_subject", "box_score 0.31 < 0.35 (min_score)"),
        (FakeDetector((DIM, 0.9)), {}, "no_mask", "no pixel of box [1.0, 1.0, 4.0, 4.0] belongs to the subject"),
        (FakeDetector((NEAR, 0.9)), {"min_mask_fit": 0.7}, "box_mismatch", "mask_fit 0.6664 < 0.7 (min_mask_fit)"),
    ],
)
def test_what_is_not_found_well_enough_is_rejected_and_keeps_its_scores(
    detector: FakeDetector, options: dict[str, Any], reason: str, message: str
) -> None:
    [answer] = stage(detector, **options).process([record()])
    assert isinstance(answer, Reject)
    assert (answer.reason, answer.detail) == (reason, message)
    assert answer.fields["box_score"] == (detector.found[0][1] if detector.found else 0)
    assert ("mask" in answer.fields) == (reason in ("box_mismatch",) or "min_score" in message)


def test_what_is_measured_hangs_on_no_bound() -> None:
    """So that another bound asks no model anew."""
    low, high = (stage(FakeDetector((CUP, 0.5)), min_score=bound).measure([record()])[0] for bound in (0.1, 0.9))
    assert low.keys() == high.keys()
    assert low["mask_fit"] == 1
