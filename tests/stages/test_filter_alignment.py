"""Shifts and scales of real photographs are found, edits are none, and the bounds hold."""

from __future__ import annotations

import re
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import NAMES, edited, jpeg, moved, photograph, resized
from rings import example_count

from datagen.core.record import Record
from datagen.core.stage import Answer, Reject
from datagen.imaging import alignment
from datagen.imaging.alignment import UNMOVED, Alignment, estimate_alignment
from datagen.imaging.image import Image, Pixels
from datagen.imaging.recent_values import RecentValues
from stages.filter_alignment import FilterAlignment

PICTURES = st.sampled_from(NAMES)
SHIFTS = st.floats(-20, 20)


def judged(source: Pixels, target: Pixels, **options: float) -> Answer:
    stage = FilterAlignment(FilterAlignment.Config(**options))
    [answer] = stage.process([Record("a", {"source": Image.of(source), "target": Image.of(target)})])
    return answer


@settings(max_examples=example_count(8), deadline=None)
@given(name=PICTURES, x=SHIFTS, y=SHIFTS)
def test_a_shift_is_found(name: str, x: float, y: float) -> None:
    found = estimate_alignment(photograph(name), moved(photograph(name), x=x, y=y))
    assert (found.x, found.y) == pytest.approx((x, y), abs=0.6)
    assert found.zoom < 0.01


@settings(max_examples=example_count(8), deadline=None)
@given(name=PICTURES, scale=st.floats(0.85, 1.2), x=st.floats(-8, 8), y=st.floats(-8, 8))
def test_a_scale_is_found_with_a_shift(name: str, scale: float, x: float, y: float) -> None:
    found = estimate_alignment(photograph(name), moved(photograph(name), x=x, y=y, scale=scale))
    assert found.scale == pytest.approx(scale, abs=0.01)
    assert (found.x, found.y) == pytest.approx((x, y), abs=1)


@settings(max_examples=example_count(8), deadline=None)
@given(name=PICTURES, other=PICTURES, x=st.floats(-12, 12), at=st.tuples(st.floats(0, 0.7), st.floats(0, 0.7)))
def test_an_edit_and_a_codec_hide_no_shift(name: str, other: str, x: float, at: tuple[float, float]) -> None:
    target = jpeg(edited(moved(photograph(name), x=x), photograph(other), at=at), 85)
    found = estimate_alignment(photograph(name), target)
    assert (found.x, found.y) == pytest.approx((x, 0), abs=1)


@settings(max_examples=example_count(8), deadline=None)
@given(name=PICTURES, other=PICTURES, quality=st.integers(50, 100), at=st.tuples(st.floats(0, 0.7), st.floats(0, 0.7)))
def test_what_was_edited_in_place_is_kept(name: str, other: str, quality: int, at: tuple[float, float]) -> None:
    target = jpeg(edited(photograph(name), photograph(other), at=at), quality)
    answer = judged(photograph(name), target)
    assert isinstance(answer, dict)
    assert answer["shift"] < 0.7


def test_a_target_of_another_size_lies_on_its_source() -> None:
    answer = judged(photograph("coffee"), resized(photograph("coffee"), 1.5))
    assert isinstance(answer, dict)
    assert answer["shift"] < 0.5


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"x": 6.0, "y": -3.0}, "moved", r"moved by 6\.\d right, -3\.\d down"),
        ({"scale": 1.06}, "scaled", r"scaled by 1\.0[56]"),
    ],
)
def test_what_is_moved_or_scaled_is_rejected(change: dict[str, float], reason: str, message: str) -> None:
    answer = judged(photograph("astronaut"), moved(photograph("astronaut"), **change))
    assert isinstance(answer, Reject)
    assert answer.reason == reason
    assert set(answer.fields) == {"shift", "zoom"}
    assert re.search(message, answer.detail), answer.detail


def test_bounds_are_options() -> None:
    assert isinstance(judged(photograph("rocket"), moved(photograph("rocket"), x=6), max_shift=8), dict)


def test_another_shape_is_rejected() -> None:
    picture = photograph("coffee")
    answer = judged(picture, np.ascontiguousarray(picture[:, : picture.shape[1] // 2]))
    assert isinstance(answer, Reject)
    assert answer.reason == "other_shape"


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_told_counts_as_unmoved(name: str) -> None:
    picture = photograph(name)
    grey = np.full_like(picture, 128)
    noise = np.random.default_rng(0).integers(0, 256, picture.shape, np.uint8)
    other = photograph(NAMES[(NAMES.index(name) + 1) % len(NAMES)])
    for target in (grey, noise, other):
        assert estimate_alignment(picture, target) == UNMOVED
    assert estimate_alignment(grey, grey) == UNMOVED
    assert estimate_alignment(grey[:8, :8], picture[:8, :8]) == UNMOVED


def test_a_shift_by_more_than_a_fifth_of_the_frame_has_to_explain_more() -> None:
    picture = photograph("astronaut")
    found = estimate_alignment(picture, np.roll(picture, 100, axis=1))
    assert (found.x, found.y) == pytest.approx((100, 0), abs=1)
    far, near = Alignment(100.0, 0.0, 1.0), Alignment(20.0, 0.0, 1.0)
    accepted = [
        [alignment._is_accepted(guess, found, unmoved=0.38, side=256) for found in (0.39, 0.42, 0.5)]
        for guess in (far, near)
    ]
    assert accepted == [[False, False, True], [False, True, True]]


STATES = [moved(photograph("rocket"), x=2.5 * step, y=-step) for step in range(3)]
"""The pictures of a session whose turns move the picture."""


def estimated_alone(pair: tuple[int, int]) -> Alignment:
    """The estimate of a pair with nothing remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alignment, "_views", RecentValues[Any](2))
        return estimate_alignment(STATES[pair[0]], STATES[pair[1]])


@settings(max_examples=example_count(6), deadline=None)
@given(pairs=st.lists(st.tuples(*[st.integers(0, 2)] * 2), min_size=1, max_size=4))
def test_what_is_remembered_of_a_picture_changes_no_estimate(pairs: list[tuple[int, int]]) -> None:
    for pair in pairs:
        assert estimate_alignment(STATES[pair[0]], STATES[pair[1]].copy()) == estimated_alone(pair)


def test_a_picture_is_analysed_once_for_all_its_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    analysed: list[Pixels] = []
    grey_of = alignment._grey

    def counted(picture_HWC: Pixels, size: tuple[int, int]) -> alignment.Grey:
        analysed.append(picture_HWC)
        return grey_of(picture_HWC, size)

    monkeypatch.setattr(alignment, "_grey", counted)
    monkeypatch.setattr(alignment, "_views", RecentValues[Any](3))
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert estimate_alignment(STATES[one], STATES[other]) != UNMOVED
    assert len(analysed) == len(STATES)


@pytest.mark.parametrize("seed", range(3))
def test_noise_over_a_fine_texture_hides_no_small_shift(seed: int) -> None:
    """As on starry ground or grass: blur and noise leave little that the edges of both pictures share."""
    rng = np.random.default_rng(seed)
    source = np.repeat(rng.normal(90, 40, (256, 256, 1)), 3, axis=2).clip(0, 255).astype(np.uint8)
    soft = cv2.GaussianBlur(moved(source, x=-3.5, y=-4), (0, 0), 1.2)
    target = jpeg((soft + rng.normal(0, 14, soft.shape)).clip(0, 255).astype(np.uint8), 30)
    found = estimate_alignment(source, target)
    assert (found.x, found.y) == pytest.approx((-3.5, -4), abs=1)
    still = cv2.GaussianBlur(source, (0, 0), 1.2)
    assert estimate_alignment(source, (still + rng.normal(0, 14, still.shape)).clip(0, 255).astype(np.uint8)) == UNMOVED
