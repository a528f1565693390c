"""Small pictures, outlines and boxes of samples and of records that became none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import disc, noise
from PIL import Image as Pillow
from rings import example_count
from shards.making import packed, record

from datagen.imaging.image import Image
from datagen.report.pictures import (
    LOCAL_FILES,
    LabelledBox,
    ReadLimits,
    outline,
    sheet_of_row,
    sheet_of_sample,
    thumbnail,
)
from datagen.shards.reader import open_dataset
from datagen.storage.store import Store


def _row(path: Path | str, **fields: Any) -> dict[str, Any]:
    return {"source_uri": str(path), "fields": json.dumps(fields)}


def _mask_of(path: str, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """What an outline encloses, drawn by the even-odd rule."""
    found = np.zeros(size[::-1], np.bool_)
    for ring in path.removesuffix("Z").split("ZM"):
        points = [tuple(map(float, point.split())) for point in ring.removeprefix("M").split("L")]
        canvas = Pillow.new("1", size)
        if len(points) > 2:
            from PIL import ImageDraw

            ImageDraw.Draw(canvas).polygon(points, fill=1)
        found ^= np.array(canvas)
    return found


@settings(max_examples=example_count(25), deadline=None)
@given(width=st.integers(1, 900), height=st.integers(1, 900), side=st.integers(16, 400))
def test_a_small_picture_keeps_its_shape_and_never_grows(width: int, height: int, side: int) -> None:
    picture = thumbnail(Image.of(np.full((height, width, 3), 90, np.uint8)), name="x", side=side)
    assert max(picture.width, picture.height) == min(side, max(width, height))
    with Pillow.open(io.BytesIO(picture.data)) as opened:
        assert opened.format == "WEBP"
        assert opened.size == (picture.width, picture.height)
    expected = min(width, height) * max(picture.width, picture.height) / max(width, height)
    assert abs(min(picture.width, picture.height) - expected) <= 1


@pytest.mark.parametrize("side", [90, 360])
def test_an_outline_lies_round_its_mask_in_the_pixels_of_the_original(side: int) -> None:
    mask = disc(600, 900, x=300, y=200, radius=120) & ~disc(600, 900, x=300, y=200, radius=50)
    drawn = _mask_of(outline(mask, side=side), (900, 600))
    assert (drawn & mask).sum() / (drawn | mask).sum() > (0.9 if side == 360 else 0.75)


def test_an_outline_of_nothing_is_empty_and_one_of_noise_is_short() -> None:
    assert outline(np.zeros((40, 40), np.bool_)) == ""
    assert len(outline(np.random.default_rng(0).random((800, 800)) > 0.5)) < 200_000


def test_a_sample_shows_its_pictures_masks_and_boxes(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    packed(store, [record("one", refs=2, masks=2)])
    sheet = sheet_of_sample(open_dataset(str(tmp_path))[0])
    assert [picture.name for picture in sheet.pictures] == ["ref_0", "ref_1", "source", "target"]
    assert set(sheet.outlines) == {"mask_0", "mask_1"}
    assert sheet.boxes[0] == LabelledBox("coin", (1, 2, 3.5, 4))
    assert sheet.size == (12, 8)
    assert sheet.notes == ()
    assert sheet.bytes == sum(len(picture.data) for picture in sheet.pictures)
    assert sheet.named("ref_1") is sheet.pictures[1]


def test_a_damaged_member_is_told_and_the_others_are_shown(tmp_path: Path) -> None:
    packed(Store(str(tmp_path)), [record("one")])
    sample = open_dataset(str(tmp_path))[0]
    whole = sample.read
    sample.read = lambda name: b"no picture" if name == "target.png" else whole(name)  # type: ignore[method-assign]
    sheet = sheet_of_sample(sample)
    assert sheet.named("target") is None
    assert sheet.named("source") is not None
    assert sheet.notes[0].startswith("target.png: not a picture")


def test_a_rejected_record_shows_its_original_and_its_box(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(Image.of(noise(50, 80)).encoded())
    sheet = sheet_of_row(_row("a.png", base=f"{tmp_path}/", box=[1, 2, 30, 40], subject="a <b>cup</b>"))
    assert [picture.name for picture in sheet.pictures] == ["original"]
    assert sheet.boxes == (LabelledBox("a <b>cup</b>", (1, 2, 30, 40)),)
    assert sheet.size == (80, 50)


def test_what_stages_made_of_it_is_shown_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(Image.of(noise(50, 80)).encoded())
    mask = disc(50, 80, x=30, y=20, radius=9)
    stored = {"source": Image.of(noise(50, 80)), "hole": mask, "masks": [mask, mask], "refs": [Image.of(noise(5, 5))]}
    sheet = sheet_of_row(_row(tmp_path / "a.png"), stored=stored)
    assert [picture.name for picture in sheet.pictures] == ["original", "ref_0", "source"]
    assert set(sheet.outlines) == {"mask_0", "mask_1"}
    assert sheet_of_row(_row(tmp_path / "a.png"), stored={"mask": mask}).outlines.keys() == {"mask"}


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("nowhere.png", "no such file"),
        ("https://example.org/a.png", "lies on the web"),
        ("s3://bucket/a.png", "the scheme 's3' is not allowed"),
        ("/dev/null", "not a regular file"),
        ("package://nothing_of_that_name/a.png", "is not installed"),
    ],
)
def test_why_an_original_cannot_be_shown_is_told(uri: str, says: str) -> None:
    sheet = sheet_of_row(_row(uri))
    assert sheet.pictures == ()
    assert says in sheet.notes[0]


@pytest.mark.parametrize("fields", ["", "{", "[]", '{"box": [1, 2]}', '{"box": [NaN, 0, 1, 1]}', '{"box": "x"}'])
def test_fields_that_are_no_use_are_passed_over(fields: str) -> None:
    assert sheet_of_row({"source_uri": "", "fields": fields}).boxes == ()


def test_what_may_be_read_is_what_the_run_read_but_for_the_web() -> None:
    config = {
        "stages": [
            {"use": "a", "with": {"schemes": ["https", "file"]}},
            {"repeat": {"stages": [{"use": "b", "with": {"schemes": ["s3"]}}, {"use": "c"}]}},
        ]
    }
    assert ReadLimits.of_config(config).schemes == ("file", "s3")
    assert ReadLimits.of_config({}) == LOCAL_FILES
