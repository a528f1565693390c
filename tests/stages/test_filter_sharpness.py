"""A blurred target is told from a soft picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from photographs import photograph

from datagen import Record
from datagen.imaging.image import Image, Pixels
from stages.filter_sharpness import FilterSharpness


def sharpness_kept(source: Pixels, target: Pixels) -> float:
    stage = FilterSharpness(FilterSharpness.Config())
    [answer] = stage.measure([Record("a", {"source": Image.of(source), "target": Image.of(target)})])
    fields: Any = answer
    return float(fields["sharpness_kept"])


def test_a_soft_picture_passes_and_one_that_its_edit_blurred_does_not() -> None:
    sharp = photograph("coffee", long_side=256)
    soft = cv2.GaussianBlur(sharp, (0, 0), 3)
    edited = soft.copy()
    edited[40:80, 40:80] = (200, 30, 30)
    least = FilterSharpness.Config().min_kept
    assert sharpness_kept(soft, edited) >= least
    assert sharpness_kept(sharp, soft) < least


def test_a_darker_picture_is_no_softer() -> None:
    sharp = photograph("coffee", long_side=256)
    assert 0.9 < sharpness_kept(sharp, np.asarray(sharp // 2, np.uint8)) < 1.2


def test_of_a_source_without_any_edge_nothing_is_lost() -> None:
    flat = np.full((20, 20, 3), 90, np.uint8)
    assert sharpness_kept(flat, flat) == 1
