"""What changed outside the mask, in float."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from photographs import edited, jpeg, photograph

from datagen.core.record import Record
from datagen.core.stage import Answer, Failed, Reject
from datagen.imaging.alignment import outside_l1
from datagen.imaging.image import Image, Pixels
from stages.filter_outside import FilterOutside


def judged(source: Pixels, target: Pixels, mask: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> Answer:
    record = Record("a", {"source": Image.of(source), "target": Image.of(target), "mask": mask})
    return FilterOutside(FilterOutside.Config()).process([record])[0]


@given(one=st.integers(0, 255), other=st.integers(0, 255), share=st.integers(0, 4))
def test_bytes_do_not_wrap(one: int, other: int, share: int) -> None:
    source, target = np.full((4, 5, 3), one, np.uint8), np.full((4, 5, 3), other, np.uint8)
    mask = np.zeros((4, 5), bool)
    mask[:share] = True
    target[mask] = 255 - one
    assert outside_l1(source, target, mask) == pytest.approx(abs(one - other) / 255 if share < 4 else 0, abs=1e-6)


def test_an_edit_inside_the_mask_is_kept_and_one_outside_is_not() -> None:
    source = photograph("coffee")
    target = jpeg(edited(source, photograph("rocket"), at=(0.3, 0.3), size=0.25), 90)
    height, width = source.shape[:2]
    mask = np.zeros((height, width), bool)
    mask[int(0.28 * height) : int(0.58 * height), int(0.28 * width) : int(0.58 * width)] = True
    measured = judged(source, target, mask)
    assert isinstance(measured, dict)
    assert measured["outside_l1"] < 0.02
    found = judged(source, target, np.roll(mask, width // 3, axis=1))
    assert not isinstance(found, Reject), "a small edit outside changes the mean little"
    answer = judged(source, 255 - source, mask)
    assert isinstance(answer, Reject)
    assert answer.reason == "changed_outside"
    assert answer.fields["outside_l1"] > 0.1


def test_other_sizes_fail() -> None:
    source = photograph("coffee")
    answer = judged(source, source, np.zeros((3, 3), bool))
    assert isinstance(answer, Failed)
    assert "differ in size" in answer.error
