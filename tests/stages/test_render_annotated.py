"""A rendered graph comes with its objects as a dataset annotates them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from datagen import Reject
from datagen.core.record import Record
from datagen.imaging.geometry import decode_rle, draw_polygons, mask_bounds
from datagen.scene_graphs.reading import read_caption
from datagen.worlds.specification import SceneSpecification
from stages.render_annotated import RenderAnnotated
from stages.render_scene import RenderScene


def rendered(caption: str, stage: RenderAnnotated | RenderScene | None = None) -> Any:
    scene = SceneSpecification(seed=5).model_dump(mode="json")
    record = Record("a", {"graph": read_caption(caption).row(), "scene": scene})
    return (stage or RenderAnnotated(RenderAnnotated.Config())).process([record])[0]


def test_objects_have_the_boxes_outlines_and_masks_of_what_is_seen() -> None:
    answer = rendered("Two red stars are above a blue ring.")
    assert [(thing["label"], thing["attributes"]) for thing in answer["objects"]].count(("star", ["red"])) == 2
    assert len(answer["objects"]) == 3
    for thing in answer["objects"]:
        mask_HW = decode_rle(thing["mask"]["counts"], (256, 256))
        assert np.abs(np.subtract(mask_bounds(mask_HW), thing["box"])).max() <= 1
        outline_HW = draw_polygons(thing["polygons"], (256, 256))
        assert (mask_HW & outline_HW).sum() / (mask_HW | outline_HW).sum() > 0.85


def test_the_picture_is_that_of_render_scene() -> None:
    caption = "A green heart is below a black cross."
    plain = rendered(caption, RenderScene(RenderScene.Config()))
    assert (rendered(caption)["image"].array == plain["image"].array).all()


@pytest.mark.parametrize(
    ("caption", "reason"),
    [("A bear is above a spoon.", "not_drawable"), ("Sixty red circles are above a blue square.", "no_room")],
)
def test_what_cannot_be_rendered_is_rejected(caption: str, reason: str) -> None:
    answer = rendered(caption)
    assert isinstance(answer, Reject)
    assert answer.reason == reason
