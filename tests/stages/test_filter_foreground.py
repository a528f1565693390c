from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from datagen import Record, Reject
from stages.filter_foreground import FilterForeground


def judge(pixels, **options):
    mask = np.zeros((10, 20), bool)
    mask.ravel()[:pixels] = True
    return FilterForeground(FilterForeground.Config(**options)).process([Record("a", {"mask": mask})])[0]


@pytest.mark.parametrize("pixels", [20, 50, 100])
def test_the_papers_bounds_are_included(pixels):
    assert judge(pixels) == {"foreground_ratio": pixels / 200}


@pytest.mark.parametrize(("pixels", "reason"), [(19, "too_small"), (0, "too_small"), (101, "too_large")])
def test_outside_the_bounds_it_is_rejected_with_its_ratio(pixels, reason):
    answer = judge(pixels)
    assert isinstance(answer, Reject)
    assert answer.reason == reason
    assert answer.fields == {"foreground_ratio": pixels / 200}


def test_the_ratio_is_of_mask_pixels_not_of_the_box():
    mask = np.eye(20, dtype=bool)
    answer = FilterForeground(FilterForeground.Config(min_ratio=0.04)).process([Record("a", {"mask": mask})])[0]
    assert answer == {"foreground_ratio": 0.05}


def test_bounds_move():
    assert judge(2, min_ratio=0.01) == {"foreground_ratio": 0.01}
    assert judge(60, max_ratio=0.2).reason == "too_large"


def test_bounds_that_exclude_everything_are_refused():
    with pytest.raises(ValidationError, match=r"min_ratio 0\.6 is above max_ratio 0\.5"):
        FilterForeground.Config(min_ratio=0.6)
