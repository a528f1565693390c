from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import demo_object, noise

from datagen import Failed, Record, Reject
from datagen.imaging.image import Image
from datagen.models.segmenters.annotated import AnnotatedConfig
from datagen.models.segmenters.grabcut import GrabCutConfig
from stages.segment_subject import SegmentSubject

SQUARE = [[[5, 5], [15, 5], [15, 15], [5, 15]]]


def record(box=(5, 5, 15, 15), polygons=SQUARE, runs=None, size=(40, 30), **fields):
    picture = Image.of(noise(size[1], size[0]))
    return Record("a", {"image": picture, "box": box, "polygons": polygons, "annotated_mask": runs or {}, **fields})


def segment(*records, segmenter=None):
    stage = SegmentSubject(SegmentSubject.Config(segmenter=segmenter or AnnotatedConfig()))
    stage.setup("cpu")
    return stage.process(list(records))


def test_the_annotated_outline_becomes_the_mask():
    mask = segment(record())[0]["mask"]
    assert mask.dtype == np.bool_
    assert mask.shape == (30, 40)
    assert mask.sum() == 100
    assert mask[5:15, 5:15].all()


def test_only_what_the_model_needs_is_asked_for():
    config = SegmentSubject.Config
    assert SegmentSubject.needs(config()) == ("image", "box", "polygons", "annotated_mask")
    assert SegmentSubject.needs(config(segmenter=GrabCutConfig())) == ("image", "box")


def test_grabcut_runs_without_outlines():
    image, thing = demo_object("coins", 0)
    lone = Record("a", {"image": image, "box": tuple(thing["box"])})
    mask = segment(lone, segmenter=GrabCutConfig())[0]["mask"]
    assert 0.4 < mask.sum() / (55 * 55) < 1


def test_no_outline_is_no_mask():
    answer = segment(record(polygons=[]))[0]
    assert isinstance(answer, Reject)
    assert answer.reason == "no_mask"
    assert answer.fields == {"mask_fit": 0}


@pytest.mark.parametrize(
    ("box", "fits"),
    [
        ((5, 5, 15, 15), True),
        ((4, 4, 16, 16), True),
        ((5, 5, 15, 24), True),
        ((5, 5, 15, 26), False),
        ((10, 5, 20, 15), False),
        ((20, 15, 30, 25), False),
        ((0, 0, 40, 30), False),
    ],
)
def test_a_mask_elsewhere_than_its_box_is_rejected(box, fits):
    """The instruction is written from the box; half the overlap is asked for."""
    answer = segment(record(box=box))[0]
    assert isinstance(answer, Reject) != fits
    if not fits:
        assert answer.reason == "box_mismatch"
        assert answer.detail == f"mask_fit {answer.fields['mask_fit']:.4g} < 0.5 (min_box_iou)"


def test_what_is_measured_hangs_on_no_bound():
    """So that another bound asks no segmenter anew."""
    found = []
    for bound in (0, 1):
        stage = SegmentSubject(SegmentSubject.Config(min_box_iou=bound))
        stage.setup("cpu")
        found += stage.measure([record(box=(10, 5, 20, 15))])
    assert found[0].keys() == found[1].keys() == {"mask", "mask_fit"}
    assert found[0]["mask_fit"] == found[1]["mask_fit"] == 0.3333


def test_a_box_is_compared_as_far_as_it_lies_on_the_picture():
    beyond = [[[30, 0], [60, 0], [60, 2], [30, 2]]]
    assert segment(record(box=(30, -0.9, 40.9, 2), polygons=beyond))[0]["mask"].sum() == 20


def test_any_mask_is_taken_where_no_overlap_is_asked_for():
    stage = SegmentSubject(SegmentSubject.Config(min_box_iou=0))
    stage.setup("cpu")
    assert stage.process([record(box=(20, 15, 30, 25))])[0]["mask"].any()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((30, 20, 60, 25), "outside"),
        ((10, 10, 10, 20), "empty"),
        ((20, 10, 10, 20), "inverted"),
        ((0, math.nan, 10, 20), "finite"),
    ],
)
def test_a_bad_box_fails_alone_by_name(box, message):
    good, bad, other = segment(record(), record(box=box), record(size=(50, 60)))
    assert isinstance(bad, Failed)
    assert message in bad.error
    assert "40x30" in bad.error
    assert good["mask"].shape == (30, 40)
    assert other["mask"].shape == (60, 50)


def test_a_mask_of_another_size_fails():
    answer = segment(record(runs={"size": [4, 3], "counts": [0, 12]}))[0]
    assert isinstance(answer, Failed)
    assert answer.error == "the mask is 3x4, the picture 40x30"
