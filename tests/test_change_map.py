"""The map of a change, the boxes that it suggests, and the rule that chooses by it."""

from __future__ import annotations

import itertools
import math

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from photographs import edited, jpeg, moved, photograph
from rings import example_count
from true_edits import TrueEdit, true_edit

from datagen.core.fields import Box
from datagen.imaging.box_rule import (
    WEIGHTS,
    MapKind,
    RuleWeights,
    best_box,
    box_fault,
    box_terms,
    corrected_score,
    masked_out,
)
from datagen.imaging.change_map import (
    ComparablePair,
    PixelMapCache,
    comparable_pair,
    encoder_map,
    is_untouched,
    pixel_map,
)
from datagen.imaging.geometry import iou
from datagen.imaging.image import Pixels
from datagen.imaging.map_boxes import MAP_BOX_PRICE, component_boxes, edit_parts, is_unchanged, map_box

Floats = NDArray[np.float32]
ROCKET = photograph("rocket", long_side=256)
EDITED = edited(ROCKET, photograph("coffee"), at=(0.3, 0.3), size=0.3)


def map_of(source: Pixels, target: Pixels) -> Floats:
    return pixel_map(comparable_pair(source, target))


def changed_inside_and_outside(target: Pixels, source: Pixels = ROCKET) -> tuple[float, float]:
    """Mean change where `EDITED` was edited, and elsewhere but for a margin of four pixels around it."""
    change_HW = map_of(source, target)
    height, width = change_HW.shape
    inside = np.zeros((height, width), np.uint8)
    inside[round(0.3 * height) : round(0.6 * height), round(0.3 * width) : round(0.6 * width)] = 1
    near = cv2.dilate(inside, np.ones((9, 9), np.uint8))
    return float(change_HW[inside > 0].mean()), float(change_HW[near == 0].mean())


# The map


def test_equal_pictures_have_no_change() -> None:
    assert not map_of(ROCKET, ROCKET).any()
    assert is_unchanged(map_of(ROCKET, ROCKET))
    assert is_untouched(ROCKET, ROCKET)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(EDITED, id="nothing else"),
        pytest.param((EDITED * np.float32([0.93, 1.02, 0.97]) + 4).clip(0, 255).astype(np.uint8), id="drift of colour"),
        pytest.param(moved(EDITED, x=2.3, y=-1.6), id="moved"),
        pytest.param(jpeg(EDITED, 60), id="JPEG"),
        pytest.param(cv2.GaussianBlur(EDITED, (0, 0), 0.8), id="blur"),
        pytest.param(cv2.resize(EDITED, None, fx=1.7, fy=1.7, interpolation=cv2.INTER_CUBIC), id="another size"),
    ],
)
def test_an_edit_stands_out_of_what_happened_to_the_rest(target: Pixels) -> None:
    inside, outside = changed_inside_and_outside(target)
    assert inside > 0.5
    assert outside < 0.02
    assert not is_unchanged(map_of(ROCKET, target))


@settings(max_examples=example_count(12), deadline=None)
@given(
    gains=st.lists(st.floats(0.85, 1.1), min_size=3, max_size=3),
    offsets=st.lists(st.floats(-8, 8), min_size=3, max_size=3),
)
def test_a_drift_of_colour_is_no_change(gains: list[float], offsets: list[float]) -> None:
    drifted = (EDITED * np.float32(gains) * 0.9 + np.float32(offsets) + 8).round().clip(0, 255).astype(np.uint8)
    inside, outside = changed_inside_and_outside(drifted)
    assert inside > 0.4
    assert outside < 0.02


@pytest.mark.parametrize("sigma", [0.7, 1.0])
@pytest.mark.parametrize("which", ["source", "target"])
def test_a_blur_of_the_whole_picture_is_no_change(sigma: float, which: str) -> None:
    stars = photograph("hubble_deep_field", long_side=256)  # a blur takes most of what little contrast it has
    target = edited(stars, photograph("coffee"), at=(0.3, 0.3), size=0.3)
    pair = {"source": stars, "target": target}
    pair[which] = cv2.GaussianBlur(pair[which], (0, 0), sigma)
    change_HW = map_of(pair["source"], pair["target"])
    height, width = change_HW.shape
    elsewhere = np.ones((height, width), bool)
    elsewhere[round(0.25 * height) : round(0.65 * height), round(0.25 * width) : round(0.65 * width)] = False
    assert change_HW[elsewhere].mean() < 0.002
    assert (
        change_HW[round(0.35 * height) : round(0.55 * height), round(0.35 * width) : round(0.55 * width)].mean() > 0.8
    )


def test_a_halo_around_an_edit_is_not_part_of_it() -> None:
    """Without the enclosure by sharp changes the halo's inner half counts as change."""
    mask = np.zeros(ROCKET.shape[:2], np.uint8)
    height, width = mask.shape
    mask[int(0.3 * height) : int(0.6 * height), int(0.3 * width) : int(0.6 * width)] = 1
    near = np.exp(-((np.minimum(cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5), 99) / 18) ** 2)) * (mask == 0)
    haloed = (EDITED + near[:, :, None] * 26).round().clip(0, 255).astype(np.uint8)
    box = map_box(map_of(ROCKET, haloed))
    assert box is not None
    assert iou(box, (0.3 * width, 0.3 * height, 0.6 * width, 0.6 * height)) > 0.8


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 5), (31, 40)])
def test_a_picture_of_any_size_has_a_map(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    one, other = rng.integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    for target in (other, one, cv2.resize(other, (7, 9))):
        change_HW = map_of(one, target)
        assert max(change_HW.shape) <= 256
        assert np.isfinite(change_HW).all()
        assert 0 <= change_HW.min() <= change_HW.max() <= 1
        map_box(change_HW)
        component_boxes(change_HW)


def test_noise_alone_is_no_change_and_a_small_edit_is_one() -> None:
    noisy = (ROCKET + np.random.default_rng(3).normal(0, 2, ROCKET.shape)).round().clip(0, 255).astype(np.uint8)
    assert is_unchanged(map_of(ROCKET, noisy))
    assert is_unchanged(map_of(ROCKET, jpeg(ROCKET, 90)))
    small = edited(ROCKET, photograph("coffee"), at=(0.4, 0.4), size=0.08)
    assert not is_unchanged(map_of(ROCKET, small))


def test_a_change_of_the_whole_picture_is_told_from_none() -> None:
    for made in (ROCKET * 0.9, 255 - ROCKET.astype(np.float32), ROCKET[:, ::-1]):
        assert not is_untouched(ROCKET, np.ascontiguousarray(made).astype(np.uint8))
    assert is_untouched(ROCKET, jpeg(ROCKET, 60))


def test_an_encoders_map_is_that_of_its_features() -> None:
    pair = ComparablePair(*(np.zeros((64, 96, 3), np.float32),) * 2, np.ones((64, 96), np.bool_))
    one = np.zeros((16, 24, 2), np.float32)
    one[..., 0] = 1
    other = one.copy()
    other[4:8, 6:12] = (0, 1)
    change_HW = encoder_map(pair, (one, other))
    assert change_HW.shape == (64, 96)
    assert change_HW[18:30, 26:46].min() == pytest.approx(0.5), "nothing sharp encloses it: it counts by half"
    assert change_HW[:12].max() == 0


def test_the_maps_of_a_whole_slice_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    monkeypatch.setattr(
        "datagen.imaging.change_map.comparable_pair", lambda *pair: made.append(1) or comparable_pair(*pair)
    )
    cache, pictures = PixelMapCache(), [np.full((8, 8, 3), level, np.uint8) for level in range(65)]
    for _ in range(3):  # propose_boxes, select_box, paste_back
        for one, other in itertools.pairwise(pictures):
            cache.map(one, other)
    assert len(made) == 64
    cache(pictures[63], pictures[64])
    cache(pictures[0], pictures[1])
    assert len(made) == 65, "of the large pairs only the last are remembered"


def test_maps_are_remembered_by_content() -> None:
    cache = PixelMapCache(2)
    first = cache(ROCKET, EDITED)
    assert cache(ROCKET.copy(), EDITED.copy())[1] is first[1]
    np.testing.assert_array_equal(first[1], map_of(ROCKET, EDITED))
    with pytest.raises(ValueError, match="read-only"):
        first[1][0, 0] = 1
    cache(EDITED, ROCKET)
    cache(ROCKET, ROCKET)
    assert cache(ROCKET, EDITED)[1] is not first[1], "the oldest of three was let go"


# Boxes that a map suggests

maps = st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
    lambda shape: st.lists(st.integers(0, 10), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]).map(
        lambda tenths: np.array(tenths, np.float32).reshape(shape) / 10
    )
)


def worth(change_HW: Floats, box: tuple[int, int, int, int]) -> float:
    return float((change_HW.astype(np.float64)[box[1] : box[3], box[0] : box[2]] - MAP_BOX_PRICE).sum())


@settings(max_examples=example_count(100), deadline=None)
@given(change_HW=maps)
def test_the_maps_own_box_is_the_best_of_all_rectangles(change_HW: Floats) -> None:
    height, width = change_HW.shape
    rectangles = [
        (x0, y0, x1, y1)
        for (x0, x1), (y0, y1) in itertools.product(
            itertools.combinations(range(width + 1), 2), itertools.combinations(range(height + 1), 2)
        )
    ]
    sums = cv2.integral(change_HW.astype(np.float64) - MAP_BOX_PRICE)
    best = max(sums[y1, x1] - sums[y0, x1] - sums[y1, x0] + sums[y0, x0] for x0, y0, x1, y1 in rectangles)
    box = map_box(change_HW)
    if box is None:
        assert best <= 1e-9
    else:
        assert worth(change_HW, box) == pytest.approx(best, abs=1e-6)


@settings(max_examples=example_count(12), deadline=None)
@given(
    corner=st.tuples(st.integers(0, 150), st.integers(0, 150)),
    size=st.tuples(st.integers(20, 90), st.integers(20, 90)),
    seed=st.integers(0, 99),
)
def test_a_larger_maps_own_box_is_exact_to_the_pixel(corner: tuple[int, int], size: tuple[int, int], seed: int) -> None:
    change_HW = (np.random.default_rng(seed).random((256, 256)) < 0.03).astype(np.float32)
    box = (*corner, corner[0] + size[0], corner[1] + size[1])
    change_HW[box[1] : box[3], box[0] : box[2]] = 1
    found = map_box(change_HW)
    assert found is not None
    assert worth(change_HW, found) >= worth(change_HW, box) - 1e-9
    assert iou(found, box) > 0.85


def test_the_largest_parts_are_those_of_the_edit() -> None:
    change_HW = np.zeros((100, 100), np.float32)
    large, inside, middle, small, speck = (
        np.s_[10:40, 10:40],
        np.s_[22:26, 22:26],
        np.s_[60:80, 60:80],
        np.s_[5:13, 80:88],
        np.s_[90:92, 5:7],
    )
    for place in (large, middle, small, speck):
        change_HW[place] = 1
    change_HW[large][2:-2, 2:-2] = 0
    change_HW[inside] = 1
    one, two, three = (edit_parts(change_HW, places=places) for places in (1, 2, 3))
    assert [part.change for part in one.own] == [400.0]
    assert [part.change for part in one.others] == [224.0, 64.0, 16.0], "a speck is noise"
    assert [part.box for part in one.own] == [(59, 59, 81, 81)], "a place wider on each side"
    assert [len(found.own) for found in (one, two, three)] == [1, 2, 2], "64 is less than a quarter of 400"
    assert [part.change for part in two.others] == [64.0], "what lies in the box of an edit is of no other"
    assert two.own[0].mask[70, 70]
    assert not two.own[0].mask[20, 20]


def test_parts_are_boxed_one_by_one_and_together() -> None:
    change_HW = np.zeros((100, 100), np.float32)
    change_HW[10:30, 10:30] = 1
    change_HW[50:70, 60:80] = 0.5
    boxes = component_boxes(change_HW)
    for part in ((10, 10, 30, 30), (60, 50, 80, 70), (10, 10, 80, 70)):
        assert max(iou(box, part) for box in boxes) > 0.8
    assert len(boxes) == len(set(boxes))
    assert component_boxes(change_HW, most=1) == boxes[:1]
    assert component_boxes(np.zeros((5, 5), np.float32)) == []


# The rule


@st.composite
def boxed_maps(draw: st.DrawFn) -> tuple[Floats, Box]:
    """A map of 64 x 64 that is 1 in a box and 0 elsewhere."""
    x0, y0 = draw(st.integers(0, 40)), draw(st.integers(0, 40))
    x1, y1 = draw(st.integers(x0 + 8, 64)), draw(st.integers(y0 + 8, 64))
    change_HW = np.zeros((64, 64), np.float32)
    change_HW[y0:y1, x0:x1] = 1
    return change_HW, (float(x0), float(y0), float(x1), float(y1))


edges = st.floats(0, 64)
IN_THE_CORNER = np.pad(np.ones((8, 8), np.float32), (0, 56))
"""A map of 64 x 64 that is 1 in its upper left corner."""


def scores(change_HW: Floats, boxes: list[Box], kind: MapKind, side: int = 64) -> list[float]:
    return [corrected_score(terms, WEIGHTS[kind]) for terms in box_terms(change_HW, boxes, size=(side, side))]


@settings(max_examples=example_count(100), deadline=None)
@given(given_map=boxed_maps(), grown=st.tuples(edges, edges, edges, edges), kind=st.sampled_from(sorted(WEIGHTS)))
def test_no_superset_and_no_part_of_an_undamaged_edit_scores_more(
    given_map: tuple[Floats, Box], grown: Box, kind: MapKind
) -> None:
    change_HW, truth = given_map
    around = (min(truth[0], grown[0]), min(truth[1], grown[1]), max(truth[2], grown[2]), max(truth[3], grown[3]))
    x0, x1 = sorted(min(max(edge, truth[0]), truth[2]) for edge in (grown[0], grown[2]))
    y0, y1 = sorted(min(max(edge, truth[1]), truth[3]) for edge in (grown[1], grown[3]))
    others = [around] + ([(x0, y0, x1, y1)] if x1 - x0 > 1 and y1 - y0 > 1 else [])
    best, *rest = scores(change_HW, [truth, *others], kind)
    assert all(score <= best + 1e-9 for score in rest)
    if iou(around, truth) < 0.98 and truth != (0, 0, 64, 64):
        assert rest[0] < best - 1e-6


@settings(max_examples=example_count(60), deadline=None)
@given(
    seed=st.integers(0, 10**6),
    order=st.permutations(range(6)),
    boxes=st.lists(
        st.tuples(edges, edges, edges, edges).filter(lambda b: b[0] + 3 < b[2] and b[1] + 3 < b[3]),
        min_size=6,
        max_size=6,
        unique=True,
    ),
)
def test_the_order_of_candidates_decides_only_between_equals(seed: int, order: list[int], boxes: list[Box]) -> None:
    change_HW = np.random.default_rng(seed).random((32, 32)).astype(np.float32)
    before, after = boxes, [boxes[n] for n in order]
    one, other = (scores(change_HW, some, "both") for some in (before, after))
    assert other == pytest.approx([one[n] for n in order])
    a, b = best_box(one, before), best_box(other, after)
    if before[a] != after[b]:
        assert abs(one[a] - other[b]) <= 2e-6, "only boxes of equal score"
        area = [(box[2] - box[0]) * (box[3] - box[1]) for box in (before[a], after[b])]
        assert area[0] == pytest.approx(area[1])


@settings(max_examples=example_count(60), deadline=None)
@given(given_map=boxed_maps(), box=st.tuples(edges, edges, edges, edges), scale=st.floats(0.5, 30))
@example(given_map=(IN_THE_CORNER, (0.0, 0.0, 8.0, 8.0)), box=(0.48145466, 8.0, 2.0, 9.0), scale=1.0)
def test_terms_do_not_depend_on_the_pictures_size(given_map: tuple[Floats, Box], box: Box, scale: float) -> None:
    x0, x1 = sorted(box[::2])
    y0, y1 = sorted(box[1::2])
    if x1 - x0 < 1 or y1 - y0 < 1:
        return
    change_HW, _ = given_map
    [one] = box_terms(change_HW, [(x0, y0, x1, y1)], size=(64, 64))
    scaled = (x0 * scale, y0 * scale, x1 * scale, y1 * scale)
    [other] = box_terms(change_HW, [scaled], size=(64 * scale, 64 * scale))  # type: ignore[arg-type]
    assert other == pytest.approx(one, abs=1e-6)
    assert 0 <= one.recall <= 1 + 1e-9
    assert 0 <= one.precision <= 1 + 1e-9
    assert -1 - 1e-9 <= one.gradient <= 1 + 1e-9
    assert 0 - 1e-9 <= one.agree <= 1 + 1e-9


@pytest.mark.parametrize(("number", "scale"), [(0, 2), (3, 3), (6, 2)])
def test_pictures_of_another_size_give_the_same_box_at_that_size(number: int, scale: int) -> None:
    edit = true_edit(number)
    one = _chosen(edit, edit.source, edit.target, scale=1)
    large = [
        cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
        for picture in (edit.source, edit.target)
    ]
    assert _chosen(edit, large[0], large[1], scale=scale) == tuple(edge * scale for edge in one)


def _chosen(edit: TrueEdit, source: Pixels, target: Pixels, *, scale: int) -> Box:
    boxes: list[Box] = [tuple(edge * scale for edge in box) for box in edit.candidates]  # type: ignore[misc]
    size = (source.shape[1], source.shape[0])
    found = [corrected_score(terms, WEIGHTS["pixels"]) for terms in box_terms(map_of(source, target), boxes, size=size)]
    return boxes[best_box(found, boxes)]


def test_terms_of_a_box_that_is_the_change_and_of_the_frame() -> None:
    change_HW = np.zeros((40, 40), np.float32)
    change_HW[10:20, 10:30] = 1
    exact, frame, beside = box_terms(change_HW, [(10, 10, 30, 20), (0, 0, 40, 40), (30, 30, 40, 40)], size=(40, 40))
    assert exact == pytest.approx((1, 1, 1, 1))
    assert frame == pytest.approx((1, 0.125, -1, 1)), "nothing is beside the frame: its edge is no edge of a change"
    assert beside == pytest.approx((0, 0, 0, 1 - 200 / 1500))
    assert corrected_score(exact, RuleWeights(2, 0.5)) == pytest.approx(1.5)


def test_equal_scores_go_to_the_smaller_box_then_to_the_first() -> None:
    small, other, large = (0.0, 0.0, 2.0, 2.0), (5.0, 5.0, 7.0, 7.0), (0.0, 0.0, 9.0, 9.0)
    assert best_box([1.0, 1.0 - 5e-7, 1.0], [large, small, other]) == 1
    assert best_box([1.0, 1.0, 1.0], [large, other, small]) == 1
    assert best_box([1.0, 1.0 - 2e-6], [large, small]) == 0


@pytest.mark.parametrize(
    ("box", "fault"),
    [
        ((0, 0, 100, 80), "too_large"),
        ((-5, -5, 200, 200), "too_large"),
        ((0, 0, 89, 80), ""),
        ((5, 5, 5, 9), "empty"),
        ((5, 5, 9, 5), "empty"),
        ((9, 5, 5, 9), "inverted"),
        ((5, 5, 6, 6), "too_small"),
        ((99, 20, 300, 60), "too_small"),
        ((5, 5, 7, 7), ""),
        ((100, 0, 120, 20), "outside"),
        ((-20, 5, 0, 20), "outside"),
        ((math.nan, 0, 5, 5), "not_finite"),
        ((0, 0, math.inf, 5), "not_finite"),
        ((0, 0, 5), "not_finite"),
        ((0, None, 5, 5), "not_finite"),
    ],
)
def test_a_box_that_is_no_region_is_named_by_its_fault(box: tuple[float, ...], fault: str) -> None:
    assert box_fault(box, (100, 80), largest_share=0.9) == fault


def test_a_box_on_a_tiny_picture_can_be_chosen() -> None:
    assert box_fault((0, 0, 1, 1), (1, 1), largest_share=1) == ""


def test_what_is_masked_out_is_black_in_whole_pixels() -> None:
    masked = masked_out(np.full((4, 5, 3), 9, np.uint8), (0.5, 1.0, 2.5, 9.0))
    assert masked[..., 0].tolist() == [[9] * 5, *[[0, 0, 0, 9, 9]] * 3]
