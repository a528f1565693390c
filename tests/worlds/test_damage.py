"""Each kind of damage does what it says, and nothing else."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count
from world_sessions import specification

from datagen.core.draws import Draws
from datagen.imaging.alignment import estimate_alignment
from datagen.imaging.image import Mask, Pixels
from datagen.worlds.damage import DamagedSession, DamageKind
from datagen.worlds.session import render_session, write_session

KINDS = [kind for kind in get_args(DamageKind) if kind != "none"]


def clean(session: int = 0) -> Pixels:
    return write_session(specification(session)).first.render()


def middle() -> Mask:
    mask = np.zeros((256, 256), np.bool_)
    mask[100:150, 90:160] = True
    return mask


def damaged(kind: str, strength: float, *, seed: int = 0, session: int = 0) -> Pixels:
    damage = DamagedSession(kind, strength=strength, draws=Draws(seed))  # type: ignore[arg-type]
    return damage.apply(clean(session), middle())


def differs(a: Pixels, b: Pixels) -> Mask:
    mask: Mask = (a != b).any(axis=-1)
    return mask


def mean(a: Pixels, b: Pixels) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("kind", get_args(DamageKind))
def test_without_strength_there_is_none(kind: str) -> None:
    assert damaged(kind, 0) is clean() or np.array_equal(damaged(kind, 0), clean())
    assert np.array_equal(damaged("none", 2), clean())


@pytest.mark.parametrize("kind", KINDS)
def test_more_strength_is_more_damage(kind: str) -> None:
    by_strength = [
        np.mean([mean(damaged(kind, strength, seed=seed, session=seed), clean(seed)) for seed in range(6)])
        for strength in (0.5, 1, 2)
    ]
    assert 0 < by_strength[0] < by_strength[1] < by_strength[2]


@settings(max_examples=example_count(20), deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 1000), st.sampled_from([1, 2]))
def test_damage_is_a_picture_and_the_same_again(kind: str, seed: int, strength: float) -> None:
    one = damaged(kind, strength, seed=seed)
    assert one.dtype == np.uint8
    assert one.shape == (256, 256, 3)
    assert np.array_equal(one, damaged(kind, strength, seed=seed))


@pytest.mark.parametrize("kind", ["halo", "blur", "elsewhere"])
@pytest.mark.parametrize("strength", [1, 2])
def test_the_edit_itself_stays_as_it_is(kind: str, strength: float) -> None:
    changed = differs(damaged(kind, strength), clean())
    assert changed.any()
    assert not changed[middle()].any()


@pytest.mark.parametrize(("strength", "reach"), [(1, 25), (2, 55)])
def test_a_halo_fades_with_the_distance_from_the_edit(strength: float, reach: int) -> None:
    far = cv2.distanceTransform((~middle()).astype(np.uint8), cv2.DIST_L2, 5)
    changed = np.abs(damaged("halo", strength).astype(int) - clean()).max(axis=-1)
    assert changed[(far > 0) & (far < 3)].mean() > 4
    assert not changed[far > reach].any()


@pytest.mark.parametrize(("strength", "share"), [(1, 0.06), (2, 0.11)])
def test_an_edit_elsewhere_is_small_and_apart(strength: float, share: float) -> None:
    for seed in range(6):
        ys, xs = np.nonzero(differs(damaged("elsewhere", strength, seed=seed), clean()))
        assert np.ptp(xs) <= share * 256
        assert np.ptp(ys) <= share * 256
        assert xs.max() < 90 or xs.min() >= 160 or ys.max() < 100 or ys.min() >= 150


@pytest.mark.parametrize(("strength", "least", "most"), [(1, 0.9, 1.6), (2, 1.9, 3.1)])
def test_a_shift_is_as_far_as_it_says(strength: float, least: float, most: float) -> None:
    for seed in range(3):
        damage = DamagedSession("shift", strength=strength, draws=Draws(seed))
        picture = damage.apply(clean(), middle())
        assert least <= np.hypot(*damage.shift) <= most
        found = estimate_alignment(clean(), picture)
        assert found.shift == pytest.approx(np.hypot(*damage.shift), abs=0.3)


def test_the_truth_moves_with_what_is_shifted() -> None:
    """An object that is removed or recoloured lies, in the damaged source, where mask and box of the truth say."""
    errors = []
    for number in range(30):
        spec = specification(number, damage="shift", strength=2)
        plain = render_session(specification(number))
        for turn, bare in zip(render_session(spec)[1:], plain[1:], strict=True):
            (x0, y0, x1, y1), (a0, b0, a1, b1) = turn.truth["box"], bare.truth["box"]
            if turn.truth["op"] in ("remove", "change") and min(x0, y0) > 5 and max(x1, y1) < 251:
                thing = bare.source.array[b0:b1, a0:a1]
                there = cv2.matchTemplate(turn.source.array, thing, cv2.TM_CCOEFF_NORMED)
                _, _, _, (x, y) = cv2.minMaxLoc(there)
                errors.append(max(abs(x - x0), abs(y - y0)))
    assert len(errors) > 6
    assert np.mean(np.array(errors) <= 1) > 0.9


def test_later_edits_paint_over_what_earlier_ones_left() -> None:
    damage = DamagedSession("elsewhere", strength=2, draws=Draws(1))
    first = damage.apply(clean(), middle())
    patch = differs(first, clean())
    second = damage.apply(clean(), patch)
    assert not differs(second, clean())[patch].any()


def test_what_earlier_turns_left_is_mirrored_with_the_picture() -> None:
    for kind in ("halo", "elsewhere"):
        damage = DamagedSession(kind, strength=1, draws=Draws(1))
        first = differs(damage.apply(clean(), middle()), clean())
        damage.flip()
        mirrored = clean()[:, ::-1].copy()
        after = differs(damage.apply(mirrored, np.zeros_like(middle())), mirrored)
        assert after[first[:, ::-1]].mean() > 0.95
