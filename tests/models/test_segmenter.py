from __future__ import annotations

import cv2
import numpy as np
import pytest
from pictures import demo_object, disc, noise

from datagen.imaging.geometry import draw_polygons
from datagen.models.segmenters.annotated import AnnotatedConfig
from datagen.models.segmenters.base import Annotation, BoxPrompts, segment_each
from datagen.models.segmenters.grabcut import GrabCutConfig

KINDS = [AnnotatedConfig(), GrabCutConfig()]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def scene() -> tuple[np.ndarray, np.ndarray]:
    picture, mask = noise(60, 80, level=60), disc(60, 80, x=40, y=30, radius=14)
    picture[mask] = (220, 60, 40)
    return picture, mask


def test_an_annotated_outline_is_taken_as_it_is():
    picture, _ = scene()
    square = [[(10.0, 5.0), (20.0, 5.0), (20.0, 25.0), (10.0, 25.0)]]
    found = AnnotatedConfig().load("cpu")([BoxPrompts(picture, [(0, 0, 80, 60)], [Annotation(square, {})])])[0][0]
    assert found.mask.sum() == 200
    assert found.mask[5:25, 10:20].all()
    assert found.mask.shape == (60, 80)


def test_an_annotated_mask_precedes_outlines_and_keeps_its_own_size():
    picture, _ = scene()
    runs = {"size": [2, 3], "counts": [1, 2, 3]}
    marked = Annotation([[(0, 0), (9, 0), (9, 9)]], runs)
    found = AnnotatedConfig().load("cpu")([BoxPrompts(picture, [(0, 0, 80, 60)], [marked])])[0][0]
    assert found.mask.tolist() == [[False, True, False], [True, False, False]]


def test_nothing_annotated_is_an_empty_mask():
    picture, _ = scene()
    assert not AnnotatedConfig().load("cpu")([BoxPrompts(picture, [(0, 0, 80, 60)])])[0][0].mask.any()


def test_grabcut_finds_what_stands_off_its_surroundings():
    picture, mask = scene()
    found = GrabCutConfig().load("cpu")([BoxPrompts(picture, [(23, 13, 58, 47)])])[0][0]
    assert overlap(found.mask, mask) > 0.95
    assert 0 < found.score <= 1


def test_grabcut_finds_a_coin():
    image, thing = demo_object("coins", 1)
    found = GrabCutConfig().load("cpu")([BoxPrompts(image.array, [tuple(thing["box"])])])[0][0]
    assert overlap(found.mask, draw_polygons(thing["polygons"], image.size)) > 0.85


@pytest.mark.parametrize("box", [(0, 0, 80, 60), (0, 0, 1, 1), (79.2, 59.2, 80, 60), (-0.5, -0.5, 80.4, 60.4)])
def test_grabcut_bears_boxes_at_the_frame(box):
    picture, _ = scene()
    assert GrabCutConfig().load("cpu")([BoxPrompts(picture, [box])])[0][0].mask.shape == (60, 80)


@pytest.mark.parametrize("config", KINDS, ids=[config.kind for config in KINDS])
def test_the_answer_hangs_on_neither_batch_nor_threads(config):
    image, thing = demo_object("rocket", 0)
    picture, _ = scene()
    job = (image.array, tuple(thing["box"]), Annotation(thing["polygons"], {}))
    other = (picture, (23, 13, 58, 47), Annotation([[(1.0, 1.0), (9.0, 1.0), (9.0, 9.0)]], {}))
    model, threads = config.load("cpu"), cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        alone = segment_each(model, each=[job])[0]
        cv2.setNumThreads(2)
        cv2.setRNGSeed(99)
        batch = segment_each(model, each=[other, job, other])
    finally:
        cv2.setNumThreads(threads)
    assert np.array_equal(alone.mask, batch[1].mask)
    assert alone.score == batch[1].score
    assert np.array_equal(batch[0].mask, batch[2].mask)
