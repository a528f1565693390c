"""SA-1B's masks: whole objects are chosen by size and nesting; a file that is none fails its record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
from foreign import runs, sa1b_annotation, sa1b_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rings import example_count

from datagen.core.record import Record
from datagen.core.stage import Failed, Reject
from datagen.imaging.geometry import mask_bounds
from stages.read_annotations import ReadAnnotations

HEIGHT, WIDTH = 40, 50


def block(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask_HW = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask_HW[y0:y1, x0:x1] = True
    return mask_HW


CAR = block(5, 5, 25, 20)
WHEEL = block(6, 15, 11, 20)
HUB = block(8, 17, 10, 19)
BOX = block(30, 10, 40, 30)
LABEL = block(36, 12, 44, 20)
WALL = np.ones((HEIGHT, WIDTH), np.bool_)
WALL[5:20, 5:25] = False


def read(folder: Path, content: bytes | list[NDArray[np.bool_]], **options: Any) -> Any:
    data = content if isinstance(content, bytes) else sa1b_file(1, content, width=WIDTH, height=HEIGHT)
    (folder / "sa_1.json").write_bytes(data)
    stage = ReadAnnotations(ReadAnnotations.Config(**options))
    return stage.process([Record("a", {"annotation": "sa_1.json", "base": f"{folder}/"})])[0]


def boxes(answer: Any) -> list[list[int]]:
    return [thing["box"] for thing in answer["objects"]]


def test_parts_are_not_taken_for_objects(tmp_path: Path) -> None:
    found = read(tmp_path, [HUB, WHEEL, CAR, BOX, WALL])
    assert boxes(found) == [[5, 5, 25, 20], [30, 10, 40, 30]]
    assert found["objects"][0] == {
        "label": "object",
        "box": [5, 5, 25, 20],
        "polygons": [],
        "mask": {"size": [HEIGHT, WIDTH], "counts": runs(CAR)},
        "attributes": [],
    }


def test_what_lies_on_the_background_is_no_part_of_it(tmp_path: Path) -> None:
    whole = np.ones((HEIGHT, WIDTH), np.bool_)
    assert boxes(read(tmp_path, [CAR, whole])) == [[5, 5, 25, 20]]
    assert boxes(read(tmp_path, [CAR, whole], max_area=1)) == [[0, 0, 50, 40]]


def test_how_far_inside_makes_a_part(tmp_path: Path) -> None:
    half = [[30, 10, 40, 30], [36, 12, 44, 20]]
    assert boxes(read(tmp_path, [BOX, LABEL])) == half
    assert boxes(read(tmp_path, [BOX, LABEL], max_inside=0.5)) == half
    assert boxes(read(tmp_path, [BOX, LABEL], max_inside=0.49)) == half[:1]
    assert len(boxes(read(tmp_path, [HUB, WHEEL, CAR], max_inside=1, min_area=0))) == 3


def test_sizes_and_scores(tmp_path: Path) -> None:
    assert boxes(read(tmp_path, [CAR, BOX], max_area=0.1)) == [[30, 10, 40, 30]]
    assert boxes(read(tmp_path, [CAR, BOX], min_area=0.11)) == [[5, 5, 25, 20]]
    lines = [sa1b_annotation(CAR, 1, predicted_iou=0.8), sa1b_annotation(BOX, 2, stability_score=0.9)]
    data = json.dumps({"annotations": lines}).encode()
    assert isinstance(read(tmp_path, data), Reject)
    assert boxes(read(tmp_path, data, min_predicted_iou=0.8)) == [[5, 5, 25, 20]]
    assert boxes(read(tmp_path, data, min_stability=0.9)) == [[30, 10, 40, 30]]


def test_a_picture_without_an_object_is_rejected_with_the_numbers(tmp_path: Path) -> None:
    assert read(tmp_path, []) == Reject(
        "no_object", "of 0 masks, 0 are too small, too large or unsure, and 0 are parts of others"
    )
    found = read(tmp_path, [HUB, WALL])
    assert found.detail == "of 2 masks, 2 are too small, too large or unsure, and 0 are parts of others"


def test_the_label_is_what_the_config_says(tmp_path: Path) -> None:
    assert read(tmp_path, [CAR], label=" thing ")["objects"][0]["label"] == "thing"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not valid JSON: Expecting value"),
        (b"{", "is not valid JSON: "),
        (b"\xff", "is not valid JSON: "),
        (b"[" * 100_000, "is not valid JSON: "),
        (b"[]", "is none of SA-1B's annotations: 'the file': "),
        (b"{}", "is none of SA-1B's annotations: 'annotations': Field required"),
        (b'{"annotations": [{}]}', "is none of SA-1B's annotations: 'annotations.0.segmentation': Field required"),
    ],
)
def test_a_file_that_is_none_fails_its_record(tmp_path: Path, data: bytes, message: str) -> None:
    answer = read(tmp_path, data)
    assert isinstance(answer, Failed)
    assert answer.error.startswith(f"sa_1.json: {message}")


@pytest.mark.parametrize(
    ("size", "counts", "message"),
    [
        ([40, 50], "<P", "a mask's text breaks off"),
        ([40, 50], "0", "a mask's runs do not add up to its size, 50x40"),
        ([40, 50], [2000.5], "is none of SA-1B's annotations: 'annotations.0.segmentation.counts"),
        ([0, 50], "0", "is none of SA-1B's annotations: 'annotations.0.segmentation.size.0'"),
        ([2**40, 2**40], "0", "is none of SA-1B's annotations: 'annotations.0.segmentation.size.0'"),
    ],
)
def test_a_mask_that_is_none_fails_its_record(tmp_path: Path, size: list[int], counts: Any, message: str) -> None:
    thing = {**sa1b_annotation(CAR, 1), "segmentation": {"size": size, "counts": counts}}
    answer = read(tmp_path, json.dumps({"annotations": [thing]}).encode())
    assert isinstance(answer, Failed)
    assert answer.error.startswith(f"sa_1.json: {message}")


def test_a_file_that_is_missing_or_too_large(tmp_path: Path) -> None:
    stage = ReadAnnotations(ReadAnnotations.Config())
    [answer] = stage.process([Record("a", {"annotation": "gone.json", "base": f"{tmp_path}/"})])
    assert answer == Failed("gone.json: there is no such file")
    assert "is larger than 10 bytes" in read(tmp_path, [CAR], max_bytes=10).error
    with pytest.raises(pydantic.ValidationError, match=r"min_area 0\.6 is above max_area 0\.5"):
        ReadAnnotations.Config(min_area=0.6)


@settings(max_examples=example_count(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corners=st.lists(
        st.tuples(st.integers(0, 48), st.integers(0, 38), st.integers(1, 30), st.integers(1, 30)), max_size=6
    )
)
def test_no_chosen_object_is_a_part_of_another(tmp_path: Path, corners: list[tuple[int, int, int, int]]) -> None:
    masks = [block(x, y, min(x + w, WIDTH), min(y + h, HEIGHT)) for x, y, w, h in corners]
    answer = read(tmp_path, masks)
    chosen = [] if isinstance(answer, Reject) else boxes(answer)
    fit = [mask for mask in masks if 0.005 <= mask.mean() <= 0.5]
    for mask in fit:
        inside = any((mask & other).sum() > 0.8 * mask.sum() for other in fit if other.sum() > mask.sum())
        assert (list(mask_bounds(mask)) in chosen) or inside
    for box in chosen:
        assert any(list(mask_bounds(mask)) == box for mask in fit)


@settings(max_examples=example_count(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_never_raises(tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(sa1b_file(1, [CAR, WHEEL], width=WIDTH, height=HEIGHT))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at : at + 3] = data.draw(st.binary(max_size=6))
    answer = read(tmp_path, bytes(whole))
    assert isinstance(answer, Failed | Reject | dict)
