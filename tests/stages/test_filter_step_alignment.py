"""A plan is dropped if a step moves or scales the picture before it."""

from __future__ import annotations

from typing import Any

import cv2
import pytest
from photographs import moved, photograph

from datagen import Reject
from datagen.core.record import Record
from datagen.imaging.image import Image, Pixels
from stages.filter_step_alignment import FilterStepAlignment


def edited(picture_HWC: Pixels, at: int) -> Pixels:
    changed_HWC = picture_HWC.copy()
    cv2.circle(changed_HWC, (60 + 70 * at, 80), 25, (200, 40 * at, 60), -1)
    return changed_HWC


def judge(*pictures: Pixels) -> Any:
    *turns, target = map(Image.of, pictures)
    stage = FilterStepAlignment(FilterStepAlignment.Config())
    return stage.process([Record("a", {"turns": turns, "target": target})])[0]


def test_steps_that_edit_a_part_pass() -> None:
    first = photograph("chelsea")
    second = edited(first, 1)
    assert judge(first, second, edited(second, 2)) == {"shift": 0.0, "zoom": 0.0}


@pytest.mark.parametrize("step", [1, 2])
def test_a_step_that_moves_the_picture_is_found_wherever_it_is(step: int) -> None:
    pictures = [photograph("chelsea")]
    for number in (1, 2):
        pictures.append(moved(edited(pictures[-1], number), x=6 if number == step else 0))
    found = judge(*pictures)
    assert isinstance(found, Reject)
    assert found.reason == "moved"
    assert found.fields["shift"] == pytest.approx(6, abs=0.5)


def test_a_step_that_scales_the_picture_is_found() -> None:
    first = photograph("chelsea")
    found = judge(first, moved(first, scale=1.05))
    assert isinstance(found, Reject)
    assert found.reason == "scaled"


def test_a_step_of_another_shape_is_named() -> None:
    first = photograph("chelsea")
    found = judge(first, first, first[:, : first.shape[1] // 2])
    assert isinstance(found, Reject)
    assert found.reason == "other_shape"
    assert found.detail.startswith("before and after step 3 the picture is")
