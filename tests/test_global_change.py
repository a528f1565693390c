"""A change of the whole picture is told from what was edited besides, on photographs and drawn sessions."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_sessions import ground
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import NAMES, edited, moved, photograph
from rings import example_count

from datagen.imaging.geometry import dilate
from datagen.imaging.global_change import global_change
from datagen.imaging.image import Mask, Pixels
from datagen.imaging.tone import fit_tone
from datagen.worlds.colours import TONES, tint, tone

PICTURES = st.sampled_from([name for name in NAMES if name != "chelsea"])  # held out


def worn(picture: Pixels, seed: int) -> Pixels:
    """The picture with drifted colours and noise."""
    rng = np.random.default_rng(seed)
    drifted = picture * rng.uniform(0.96, 1.04, 3) + rng.uniform(-4, 4, 3) + rng.normal(0, 1.5, picture.shape)
    return np.asarray(np.rint(drifted).clip(0, 255), np.uint8)


def with_disc(picture: Pixels, at: tuple[float, float], radius: int = 14) -> tuple[Pixels, Mask]:
    """The picture with a disc in another colour, and where that is."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    inside_HW = np.hypot(y - (20 + at[1] * (height - 40)), x - (20 + at[0] * (width - 40))) < radius
    return np.where(inside_HW[..., None], tint(picture, "green", inside_HW=inside_HW), picture), inside_HW


@settings(max_examples=example_count(10), deadline=None)
@given(name=PICTURES, change=st.sampled_from(TONES), seed=st.integers(0, 99))
def test_a_change_of_tone_is_fitted(name: str, change: str, seed: int) -> None:
    before = photograph(name)
    after = worn(tone(before, change), seed)
    found = fit_tone(before, after, np.ones(before.shape[:2], np.bool_)).picture(before)
    assert np.abs(found.astype(int) - after).mean() < 3


def test_colours_of_few_pixels_are_fitted_too() -> None:
    before = ground().copy()
    before[10:20, 10:20], before[40:50, 60:75] = (230, 20, 20), (200, 30, 220)
    found = fit_tone(before, tone(before, "greyscale"), np.ones(before.shape[:2], np.bool_)).picture(before)
    assert np.abs(found.astype(int) - tone(before, "greyscale")).max() <= 3


def test_nothing_seen_is_no_change() -> None:
    picture = ground()
    found = fit_tone(picture, 255 - picture, np.zeros(picture.shape[:2], np.bool_))
    assert (found.picture(picture) == picture).all()


@settings(max_examples=example_count(20), deadline=None)
@given(
    name=PICTURES,
    change=st.sampled_from(TONES),
    mirrored=st.booleans(),
    at=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 99),
)
def test_what_was_edited_besides_a_change_of_tone_is_found(
    name: str, change: str, mirrored: bool, at: tuple[float, float], seed: int
) -> None:
    source = photograph(name, long_side=256)
    after = tone(source[:, ::-1] if mirrored else source, change)
    plain = global_change(source, worn(after, seed))
    assert (plain.mirrored, plain.is_tone, plain.strays) == (mirrored, True, [])
    spoilt, inside_HW = with_disc(after, at)
    if np.abs(spoilt.astype(int) - after)[inside_HW].max(1).mean() < 40:
        return
    found = global_change(source, worn(spoilt, seed))
    assert (found.mirrored, found.is_tone) == (mirrored, True)
    covered_HW = np.logical_or.reduce([part.mask for part in found.strays])
    assert covered_HW[inside_HW].mean() > 0.9
    assert (covered_HW & ~dilate(inside_HW, 4)).sum() < 0.3 * inside_HW.sum()


@pytest.mark.parametrize("name", ["astronaut", "coffee", "rocket"])
def test_a_moved_picture_has_no_strays(name: str) -> None:
    found = global_change(photograph(name), moved(tone(photograph(name), "warmer"), x=1.5, y=-1))
    assert (found.is_tone, found.strays) == (True, [])


def test_another_picture_is_no_change_of_tone() -> None:
    source = photograph("coffee")
    other = edited(photograph("astronaut"), source, at=(0, 0), size=0.2)[: source.shape[0]]
    assert not global_change(source[: other.shape[0]], np.ascontiguousarray(other[:, : source.shape[1]])).is_tone
    assert not global_change(source, np.ascontiguousarray(source[::-1])).is_tone
