from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import demo_object, disc, noise
from rings import example_count

from datagen import DataError
from datagen.imaging.geometry import dilate, draw
from datagen.models.inpainters.patch import PatchConfig
from datagen.models.inpainters.poisson import harmonic, integrated
from datagen.models.inpainters.telea import TeleaConfig

KINDS = [PatchConfig(), TeleaConfig()]
every_kind = pytest.mark.parametrize("config", KINDS, ids=[config.kind for config in KINDS])


def stripes() -> np.ndarray:
    picture = np.zeros((96, 120, 3), np.uint8)
    picture[:, (np.arange(120) // 6) % 2 == 0] = 200
    return picture


@every_kind
def test_a_hole_in_a_plain_picture_takes_its_colour(config):
    picture = np.full((50, 70, 3), (30, 120, 200), np.uint8)
    mask = disc(50, 70, x=30, y=25, radius=10)
    damaged = np.where(mask[..., None], np.uint8(255), picture)
    painted = config.load("cpu")([damaged], [mask], seeds=[0])[0]
    assert np.abs(painted.astype(int) - picture).max() <= 3
    assert painted.dtype == np.uint8


@every_kind
def test_no_mask_is_no_change(config):
    picture = noise(40, 50)
    assert np.array_equal(config.load("cpu")([picture], [np.zeros((40, 50), bool)], seeds=[0])[0], picture)


def test_patches_carry_on_a_pattern_that_telea_smears():
    picture, mask = stripes(), disc(96, 120, x=60, y=48, radius=14)
    errors = {}
    for config in KINDS:
        damaged = np.where(mask[..., None], np.uint8(128), picture)
        painted = config.load("cpu")([damaged], [mask], seeds=[0])[0]
        errors[config.kind] = np.abs(painted.astype(float) - picture)[mask].mean()
    assert errors["patch"] < 12
    assert errors["patch"] < errors["telea"] / 3


def test_patches_keep_the_grain_that_telea_loses():
    picture, mask = noise(120, 140), disc(120, 140, x=70, y=60, radius=22)
    inner = disc(120, 140, x=70, y=60, radius=16)
    spread = {}
    for config in KINDS:
        painted = config.load("cpu")([np.where(mask[..., None], np.uint8(255), picture)], [mask], seeds=[0])[0]
        spread[config.kind] = painted[inner].astype(float).std() / picture[inner].astype(float).std()
    assert 0.6 < spread["patch"] < 1.5
    assert spread["telea"] < 0.5


def test_the_patches_never_see_what_was_masked():
    picture, mask = noise(80, 90), disc(80, 90, x=45, y=40, radius=12)
    model = PatchConfig().load("cpu")
    one, other = (np.where(mask[..., None], np.uint8(value), picture) for value in (0, 255))
    assert np.array_equal(model([one], [mask], seeds=[1])[0], model([other], [mask], seeds=[2])[0])


@every_kind
def test_the_answer_hangs_on_neither_batch_nor_threads(config):
    image, thing = demo_object("astronaut", 0)
    mask = dilate(draw(thing["polygons"], image.size), 8)
    picture, small = noise(60, 80), disc(60, 80, x=40, y=30, radius=9)
    model, threads = config.load("cpu"), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = model([image.array], [mask], seeds=[5])[0]
        cv2.setNumThreads(2)
        batch = model([picture, image.array, picture], [small, mask, small], seeds=[4, 5, 6])
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(alone, batch[1])
    assert np.array_equal(batch[0], batch[2])


@settings(max_examples=example_count(25), deadline=None)
@given(height=st.integers(1, 24), width=st.integers(1, 24), data=st.data())
def test_patches_bear_any_shape_of_picture_and_mask(height, width, data):
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    mask = np.array(bits).reshape(height, width)
    picture = noise(height, width)
    model = PatchConfig().load("cpu")
    if mask.all():
        with pytest.raises(DataError, match="every pixel"):
            model([picture], [mask], seeds=[0])
        return
    painted = model([picture], [mask], seeds=[0])[0]
    assert painted.shape == picture.shape
    assert np.array_equal(painted[~mask], picture[~mask])


def test_a_harmonic_fill_of_a_ramp_is_the_ramp():
    ramp = np.broadcast_to(np.linspace(0, 200, 60, dtype=np.float32)[None, :, None], (40, 60, 1)).copy()
    hole = disc(40, 60, x=30, y=20, radius=12)
    filled = harmonic(np.where(hole[..., None], np.float32(0), ramp), hole)
    assert np.abs(filled - ramp).max() < 1e-3


def test_integrating_the_true_steps_restores_the_picture():
    picture = noise(40, 50).astype(np.float32)
    hole = disc(40, 50, x=25, y=20, radius=8)
    flat = picture.reshape(-1, 3)
    broken = np.where(hole[..., None], np.float32(0), picture)
    solved = integrated(broken, hole, lambda here, there: flat[here] - flat[there])
    assert np.abs(solved - picture).max() < 1e-3
