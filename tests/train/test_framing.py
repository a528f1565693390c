"""Pictures at the size of a bucket: laws of what is seen."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.train.data.framing import frame, nearest_size, shows

SIDES = st.integers(4, 400)
SIZES = st.tuples(SIDES, SIDES)
SHARE = st.floats(0, 1)


@settings(deadline=None)  # the first example imports
@given(SIZES, SIZES, SHARE)
def test_a_picture_is_not_distorted_and_covers(picture: tuple[int, int], size: tuple[int, int], draw: float) -> None:
    framing = frame(picture, size, boxes=[], draw=draw)
    seen = framing.picture(np.zeros((picture[1], picture[0], 3), np.uint8))
    assert seen.shape == (size[1], size[0], 3)
    scales = [framing.scaled[axis] / picture[axis] for axis in (0, 1)]
    assert abs(scales[0] - scales[1]) <= max(1 / picture[0], 1 / picture[1])  # by a rounded pixel
    assert any(framing.scaled[axis] == size[axis] for axis in (0, 1))


@settings(deadline=None)  # the first example imports
@given(SIZES, SIZES, SHARE, st.tuples(SHARE, SHARE, SHARE, SHARE))
def test_a_box_that_fits_is_seen_whole(
    picture: tuple[int, int], size: tuple[int, int], draw: float, shares: tuple[float, float, float, float]
) -> None:
    xs, ys = sorted(shares[:2]), sorted(shares[2:])
    box = (xs[0] * picture[0], ys[0] * picture[1], xs[1] * picture[0] + 1, ys[1] * picture[1] + 1)
    framing = frame(picture, size, boxes=[box], draw=draw)
    long = [(box[axis + 2] - box[axis]) * framing.scaled[axis] / picture[axis] for axis in (0, 1)]
    x0, y0, x1, y1 = framing.box(box, picture)
    assert 0 <= x0 <= x1 <= 1
    assert 0 <= y0 <= y1 <= 1
    if all(long[axis] <= size[axis] - 1 for axis in (0, 1)) and box[2] <= picture[0] and box[3] <= picture[1]:
        assert abs((x1 - x0) * size[0] - long[0]) <= 0.51
        assert abs((y1 - y0) * size[1] - long[1]) <= 0.51


def test_a_box_lies_where_its_pixels_are() -> None:
    image = np.zeros((60, 200, 3), np.uint8)
    image[20:40, 120:140] = 255
    for draw in (0.0, 0.5, 1.0):
        framing = frame((200, 60), (30, 30), boxes=[(120, 20, 140, 40)], draw=draw)
        rows, columns = np.nonzero(framing.picture(image)[:, :, 0] > 127)
        found = [columns.min() / 30, rows.min() / 30, (columns.max() + 1) / 30, (rows.max() + 1) / 30]
        np.testing.assert_allclose(found, framing.box((120, 20, 140, 40), (200, 60)), atol=1e-6)


def test_what_is_cut_off_is_known() -> None:
    framing = frame((400, 100), (50, 50), boxes=[(0, 0, 60, 100), (340, 0, 400, 100)])
    assert not shows(framing, (400, 100), (0, 0, 60, 100), least=0.75)
    assert shows(framing, (400, 100), (150, 0, 250, 100), least=0.75)


def test_the_nearest_size_is_nearest_by_ratio() -> None:
    sizes = [(64, 64), (96, 48), (48, 96)]
    assert [nearest_size(size, sizes) for size in ((10, 11), (900, 500), (50, 90))] == sizes
