"""COCO's annotations: joined by ids on disk; what is wrong in one entry fails one image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foreign import CAPTIONS, INSTANCES, MASK, PNG, runs, write_files

from datagen.core.errors import ConfigError
from datagen.sources.base import Source, SourceRow
from datagen.sources.formats.coco import CocoConfig


def source(folder: Path, instances: Any = INSTANCES, **options: Any) -> Source:
    text = instances if isinstance(instances, bytes | str) else json.dumps(instances)
    write_files(folder, {"instances.json": text, "captions.json": json.dumps(CAPTIONS), "val/000002.jpg": PNG})
    return CocoConfig(path=f"{folder}/instances.json", images=f"{folder}/val", **options).load()


def rows(folder: Path, instances: Any = INSTANCES, **options: Any) -> dict[str, SourceRow]:
    looked = source(folder, instances, **options)
    looked.check()
    return {row.id: row for row in looked.rows()}


def changed(table: str, at: int, **keys: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(INSTANCES))
    data[table][at].update(keys)
    return data


def test_images_with_their_objects_in_the_order_of_ids(tmp_path: Path) -> None:
    found = rows(tmp_path, captions=f"{tmp_path}/captions.json", credit="COCO")
    assert list(found) == ["2", "4", "9"]
    assert not any(row.error for row in found.values())
    dog = {
        "label": "dog",
        "box": [1, 2, 4.5, 6],
        "polygons": [[[1, 2], [4, 2], [4, 6]]],
        "mask": None,
        "attributes": [],
    }
    assert found["2"].fields["objects"] == [dog]
    [person] = found["9"].fields["objects"]
    assert person["mask"] == {"size": [6, 8], "counts": runs(MASK)}
    assert person["box"] == [3, 2, 7, 5]
    licenses = [row.fields["license"] for row in found.values()]
    assert licenses == ["No known copyright restrictions", "CC0-1.0", "CC-BY-2.0"]
    assert [row.fields["credit"] for row in found.values()] == ["COCO", "COCO", "http://f/9"]
    assert [row.fields["caption"] for row in found.values()] == ["", "", "first"]
    assert found["4"].fields["base"] + found["4"].fields["uri"] == f"{tmp_path}/val/in/000004.jpg"


def test_crowds_are_kept_if_asked_for(tmp_path: Path) -> None:
    labels = [thing["label"] for thing in rows(tmp_path, crowds="keep")["2"].fields["objects"]]
    assert labels == ["person", "dog"]


def test_a_file_of_captions_alone(tmp_path: Path) -> None:
    plain = {**CAPTIONS, "licenses": INSTANCES["licenses"], "annotations": CAPTIONS["annotations"][:2]}
    found = rows(tmp_path, plain)
    assert [row.fields["caption"] for row in found.values()] == ["", "", "first"]


@pytest.mark.parametrize(
    ("table", "at", "keys", "id", "message"),
    [
        ("annotations", 0, {"category_id": 99}, "2", "image 2: annotation 50 is of category 99, which is not listed"),
        ("annotations", 0, {"category_id": [1]}, "2", "image 2: annotation 50 is of category [1], which is not listed"),
        ("annotations", 0, {"bbox": [1, 2, 3]}, "2", "annotation 50 has a bbox that is not four numbers"),
        ("annotations", 0, {"bbox": None}, "2", "annotation 50 has a bbox that is not four numbers"),
        ("annotations", 0, {"segmentation": [[1, 2, 3]]}, "2", "annotation 50 has a polygon that is not x, y, x, y, ..."),
        ("annotations", 0, {"segmentation": ["x"]}, "2", "annotation 50 has a polygon that is not x, y, x, y, ..."),
        ("annotations", 0, {"segmentation": 7}, "2", "annotation 50 has a segmentation that is neither"),
        ("annotations", 0, {"segmentation": {}}, "2", "annotation 50 has run lengths without `size` and `counts`"),
        ("annotations", 0, {"segmentation": {"size": [6, 8], "counts": "<P"}}, "2", "annotation 50: a mask's text breaks off"),
        ("annotations", 0, {"segmentation": {"size": [6, 8], "counts": [4, [5]]}}, "2", "annotation 50: a mask's run lengths"),
        ("annotations", 0, {"image_id": 3}, "%annotation50", "annotation 50 is of image 3, which is not listed"),
        ("annotations", 0, {"image_id": None}, "%annotations0", "`annotations` number 0 needs whole numbers as `id` and `image_id`"),
        ("annotations", 0, {"id": 2**62}, "%annotations0", "`annotations` number 0 needs whole numbers"),
        ("images", 1, {"id": "2"}, "%images1", "`images` number 1 needs whole numbers as `id`"),
        ("images", 1, {"file_name": None}, "2", "image 2: 'uri': input should be a valid string"),
        ("images", 1, {"license": 99}, "2", "image 2: has the licence 99, which is not listed"),
        ("images", 2, {"id": 2}, "2%row2", "the id '2' was used above"),
    ],
)  # fmt: skip
def test_a_wrong_entry_fails_its_image_alone(
    tmp_path: Path, table: str, at: int, keys: dict[str, Any], id: str, message: str
) -> None:
    found = rows(tmp_path, changed(table, at, **keys))
    wrong = {id: row.error for id, row in found.items() if row.error}
    assert message in wrong.pop(id)
    assert all("is of image 2, which is not listed" in error for error in wrong.values())
    assert found["9"].error == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is none of COCO's files, which hold one JSON object"),
        (b"[]", "is none of COCO's files, which hold one JSON object"),
        (b'{"images": [{"id": 1}', "is not valid JSON: "),
        (b'{"images": [{"id": 1, "file_name": "\xff"}]}', "is not valid JSON: "),
        (b'{"images": [NaN]}', "is not valid JSON: "),
        (b"{}", "lists no `images`"),
        (b'{"images": 7}', "lists no `images`"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rows_of_bytes(tmp_path, text)
    assert f"{tmp_path}/instances.json: {message}" in str(caught.value)


def rows_of_bytes(folder: Path, text: bytes) -> None:
    looked = source(folder, "{")
    (folder / "instances.json").write_bytes(text)
    looked.check()
    list(looked.rows())


def test_missing_files_are_told_at_once(tmp_path: Path) -> None:
    write_files(tmp_path, {"instances.json": "{}", "val/a.jpg": PNG})
    for options in ({"path": "x.json", "images": "val"}, {"path": "instances.json", "images": "nowhere"}):
        with pytest.raises(ConfigError, match="there is no such folder or file"):
            CocoConfig(**{key: f"{tmp_path}/{name}" for key, name in options.items()}).load().check()
    with pytest.raises(ConfigError, match="is a file; `images` is the folder of the pictures"):
        CocoConfig(path=f"{tmp_path}/instances.json", images=f"{tmp_path}/val/a.jpg").load().check()
