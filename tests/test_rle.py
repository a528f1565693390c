"""COCO's run lengths: read as its own code writes them, measured without drawing, refused where they are none."""

from __future__ import annotations

import numpy as np
import pytest
from foreign import coco_text, runs
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as reference
from rings import example_count

from datagen.core.errors import DataError
from datagen.imaging.geometry import decode_rle, mask_bounds
from datagen.imaging.rle import RunLengthMask, parse_rle

MASKS = arrays.arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))
BLOBS = st.tuples(st.integers(20, 90), st.integers(20, 90), st.integers(0, 2**16)).map(
    lambda drawn: np.random.default_rng(drawn[2]).normal(size=drawn[:2]).cumsum(0).cumsum(1) > 0
)


def read(mask_HW: np.ndarray) -> RunLengthMask:
    height, width = mask_HW.shape
    return parse_rle(coco_text(runs(mask_HW)), height=height, width=width)


@settings(max_examples=example_count(200), deadline=None)
@given(MASKS | BLOBS)
def test_text_that_coco_wrote_is_read_as_coco_reads_it(mask: np.ndarray) -> None:
    height, width = mask.shape
    result = reference.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert result["counts"].decode() == coco_text(runs(mask))
    found = parse_rle(result["counts"].decode(), height=height, width=width)
    assert np.array_equal(decode_rle(found.counts.tolist(), mask.shape), mask)
    assert found.area == int(mask.sum()) == int(reference.area(result))


@settings(max_examples=example_count(200), deadline=None)
@given(MASKS | BLOBS)
def test_area_and_box_are_those_of_the_pixels(mask: np.ndarray) -> None:
    found = read(mask)
    assert found.area == mask.sum()
    assert found.box == (mask_bounds(mask) if mask.any() else None)


@settings(max_examples=example_count(100), deadline=None)
@given(st.data())
def test_what_two_masks_share_is_counted(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    one, other = (data.draw(arrays.arrays(np.bool_, shape)) for _ in range(2))
    assert read(one).shared(read(other)) == (one & other).sum() == read(other).shared(read(one))


@settings(max_examples=example_count(300), deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=30, max_codepoint=130), max_size=40) | st.text(max_size=5))
def test_any_text_is_a_mask_of_its_size_or_refused(text: str) -> None:
    try:
        found = parse_rle(text, height=7, width=5)
    except DataError:
        return
    assert found.counts.sum() == 35
    assert found.counts.min() >= 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "do not add up to its size, 4x3"),
        ("=", "do not add up to its size, 4x3"),
        ("<P", "breaks off"),
        ("P" * 20 + "0", "spells a length that no picture has"),
        (" ", "characters that are none of COCO's"),
        ("p", "characters that are none of COCO's"),
        ("é", "characters that are none of COCO's"),
    ],
)
def test_what_is_wrong_with_a_text_is_told(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_rle(text, height=3, width=4)


def test_lists_are_read_too() -> None:
    assert parse_rle([5, 2, 5], height=3, width=4).area == 2
    for wrong in ([5, 2, 4], [13, -1], [], ["x"], [[1], [2, 3]], [2**80]):
        with pytest.raises(DataError):
            parse_rle(wrong, height=3, width=4)
