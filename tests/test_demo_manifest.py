"""The demo's photographs are those that were annotated, and its outlines lie on them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pictures import DATA, demo_rows, photograph

from datagen.imaging.geometry import check_box, draw_polygons, iou, mask_bounds

ROWS = list(demo_rows().values())


def test_there_are_enough_objects_on_enough_photographs():
    assert sum(len(row["objects"]) for row in ROWS) >= 12
    assert len(ROWS) >= 5
    assert "coin" in {thing["label"] for row in ROWS for thing in row["objects"]}
    assert len({row["id"] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_a_row_tells_where_its_picture_comes_from(row):
    name = row["uri"].removeprefix("package://skimage/data/")
    assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == row["sha256"]
    assert row["license"]
    assert row["credit"]
    assert row["caption"].endswith(".")


def test_every_photograph_may_be_published():
    free = {"LicenseRef-Public-Domain", "LicenseRef-No-Known-Copyright", "CC0-1.0"}
    assert {row["license"] for row in ROWS} <= free


@pytest.mark.parametrize("row", ROWS, ids=[row["id"] for row in ROWS])
def test_boxes_bound_their_outlines_and_lie_on_the_picture(row):
    picture = photograph(row["uri"].rsplit("/", 1)[1])
    for thing in row["objects"]:
        corners = np.array([corner for outline in thing["polygons"] for corner in outline])
        assert check_box(thing["box"], picture.size) is None
        assert thing["box"] == [*corners.min(0), *corners.max(0)]
        mask = draw_polygons(thing["polygons"], picture.size)
        assert iou(mask_bounds(mask), tuple(thing["box"])) > 0.85
        box = thing["box"]
        assert mask.sum() > 0.1 * (box[2] - box[0]) * (box[3] - box[1])
