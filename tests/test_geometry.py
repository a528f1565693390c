from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import disc, noise

from datagen import DataError
from datagen.imaging.geometry import (
    check_box,
    clip_box,
    decode_rle,
    dilate,
    draw_polygons,
    fit_size,
    iou,
    mask_bounds,
    mask_depth,
    pad_to_multiple,
    resize,
)
from datagen.sources.manifest import FARTHEST


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((0, 0, 4), "not four finite"),
        ((0, 0, math.nan, 5), "not four finite"),
        ((0, 0, math.inf, 5), "not four finite"),
        ((5, 0, 2, 5), "inverted"),
        ((0, 5, 2, 1), "inverted"),
        ((3, 0, 3, 5), "empty"),
        ((0, 0, 12, 5), "outside"),
        ((-2, 0, 5, 5), "outside"),
        ((20, 20, 30, 30), "outside"),
        ((-0.9, 0, 0, 5), "outside"),
    ],
)
def test_a_bad_box_is_named_with_the_pictures_size(box, message):
    fault = check_box(box, (10, 8))
    assert fault is not None
    assert message in fault
    assert "10x8" in fault
    assert f"{box[0]:g}" in fault


@pytest.mark.parametrize("box", [(0, 0, 10, 8), (9, 7, 10, 8), (0.2, 0.2, 0.4, 0.4), (-0.4, 0, 10.4, 8)])
def test_a_sound_box_passes(box):
    assert check_box(box, (10, 8)) is None


def test_an_outline_covers_the_pixels_whose_centres_it_holds():
    drawn = draw_polygons([[(2, 1), (5, 1), (5, 4), (2, 4)]], (8, 6))
    wanted = np.zeros((6, 8), bool)
    wanted[1:4, 2:5] = True
    assert np.array_equal(drawn, wanted)
    assert mask_bounds(drawn) == (2, 1, 5, 4)


def test_outlines_are_joined_and_cropped_to_the_picture():
    drawn = draw_polygons([[(-5, -5), (2, -5), (2, 2), (-5, 2)], [(6, 4), (20, 4), (20, 20), (6, 20)]], (8, 6))
    assert drawn.sum() == 4 + 4


@pytest.mark.parametrize("far", [10.0, 1e4, FARTHEST])
def test_an_outline_that_holds_the_picture_covers_it_however_far_its_corners_lie(far):
    assert draw_polygons([[(-far, -far), (far, -far), (far, far), (-far, far)]], (8, 6)).all()
    below = draw_polygons([[(-far, -far), (far, far), (-far, far)]], (8, 6))
    assert np.array_equal(np.triu(below, 1), np.zeros((6, 8), bool))
    assert np.array_equal(np.tril(below, -1), np.tri(6, 8, -1, bool))


def test_overlap_is_intersection_over_union():
    assert iou((0, 0, 4, 4), (0, 0, 4, 4)) == 1
    assert iou((0, 0, 4, 4), (2, 0, 6, 4)) == pytest.approx(1 / 3)
    assert iou((0, 0, 4, 4), (4, 0, 8, 4)) == 0
    assert iou((0, 0, 4, 4), (9, 9, 10, 10)) == 0


def test_a_box_is_clipped_to_the_picture():
    assert clip_box((-0.5, 2, 10.5, 8.3), (10, 8)) == (0, 2, 10, 8)


def test_dilation_reaches_its_radius_on_every_side_and_is_round():
    point = np.zeros((61, 61), bool)
    point[30, 30] = True
    grown = dilate(point, 20)
    assert mask_bounds(grown) == (10, 10, 51, 51)
    assert not grown[12, 12]
    assert abs(grown.sum() / (math.pi * 20**2) - 1) < 0.06
    assert np.array_equal(dilate(point, 0), point)


def test_depth_counts_the_frame_as_outside():
    assert mask_depth(np.ones((9, 30), bool)) == pytest.approx(5, abs=0.3)
    assert mask_depth(disc(60, 60, x=30, y=30, radius=12)) == pytest.approx(12, abs=1)
    assert mask_depth(np.zeros((5, 5), bool)) == 0


def test_runs_go_down_columns_background_first():
    mask = decode_rle([1, 2, 3], (3, 2))
    assert mask.tolist() == [[False, False], [True, False], [True, False]]
    assert decode_rle([0, 6], (3, 2)).all()


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([1, 2], "add up to 3, its size 2x3 has 6"),
        ([7], "add up to 7, "),
        ([], "add up to 0, "),
        ([8, -2], "run length is negative: -2; its size is 2x3"),
        ([-1], "run length is negative: -1"),
        ([2**63 - 1, 2**63 - 1, 8], f"add up to {2**64 + 6}, "),
        ([10**20], f"add up to {10**20}, "),
    ],
)
def test_runs_that_do_not_fit_are_refused(counts, message):
    """The wrapped sum of the large ones is that of the mask: they used to bring the process down."""
    with pytest.raises(DataError, match=message) as caught:
        decode_rle(counts, (3, 2))
    assert "2x3" in str(caught.value)


def test_an_outline_without_corners_has_no_pixels() -> None:
    assert not draw_polygons([[]], (5, 4)).any()
    square = [(1.0, 1.0), (3.0, 1.0), (3.0, 3.0), (1.0, 3.0)]
    assert draw_polygons([[], square], (5, 4)).sum() == 4


@given(
    width=st.integers(1, 4000), height=st.integers(1, 4000), pixels=st.integers(4096, 4_000_000), multiple=st.sampled_from([8, 16, 32])
)  # fmt: skip
def test_a_fitted_size_is_made_of_multiples_no_larger_than_asked_and_stays(width, height, pixels, multiple):
    size = fit_size((width, height), pixels=pixels, multiple=multiple)
    assert fit_size(size, pixels=pixels, multiple=multiple) == size
    assert size[0] % multiple == size[1] % multiple == 0
    assert min(size) == multiple or size[0] * size[1] <= pixels
    wanted = math.sqrt(pixels * width / height), math.sqrt(pixels * height / width)
    for side, exact in zip(size, wanted, strict=True):
        assert side <= max(exact + 1e-6, multiple)
        assert size == (width, height) or side > exact - multiple - 1e-6


@given(width=st.integers(1, 500), height=st.integers(1, 500))
def test_without_a_number_of_pixels_sides_are_cut_to_multiples(width, height):
    assert fit_size((width, height), pixels=None, multiple=16) == tuple(
        max(16, side // 16 * 16) for side in (width, height)
    )


@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_padding_mirrors_beyond_the_right_and_lower_edge(height, width):
    image = noise(height, width)
    larger = pad_to_multiple(image, 16)
    assert larger.shape[0] % 16 == larger.shape[1] % 16 == 0
    assert larger.shape[0] - height < 16
    assert np.array_equal(larger[:height, :width], image)
    if width % 16 and width > 1:
        assert np.array_equal(larger[:height, width], image[:, -1])
    assert np.array_equal(pad_to_multiple(image[..., 0] > 120, 16), larger[..., 0] > 120)


def test_a_picture_that_has_its_size_is_not_resized():
    image = noise(20, 30)
    assert resize(image, (30, 20)) is image
    assert resize(image, (15, 10)).shape == (10, 15, 3)
