"""Folders of pictures: what lies beside them is told, in an order that is always the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign import PNG, write_files

from datagen.core.errors import ConfigError
from datagen.sources import sidecars
from datagen.sources.base import SourceRow
from datagen.sources.images import Images, ImagesConfig

THING = {"label": "cup", "box": [1, 2, 3, 4]}
FILES = {
    "b.png": PNG,
    "a.JPG": PNG,
    "a.txt": "A cup.\n",
    "deep/er/c.webp": PNG,
    "deep/er/c.json": json.dumps({"caption": "Sea", "license": "CC0-1.0", "objects": [THING], "width": 3, "key": 7}),
    "deep/er/c.txt": "another caption",
    "deep/d.png": PNG,
    "notes.md": "no picture",
    ".hidden/e.png": PNG,
    ".f.png": PNG,
}
IDS = ["a.JPG", "b.png", "deep/d.png", "deep/er/c.webp"]


def source(path: object, **options: Any) -> Images:
    found = ImagesConfig(path=str(path), **options).load()
    assert isinstance(found, Images)
    return found


def rows(path: object, **options: Any) -> dict[str, SourceRow]:
    looked = source(path, **options)
    looked.check()
    return {row.id: row for row in looked.rows()}


def errors(path: object, **options: Any) -> dict[str, str]:
    return {id: row.error for id, row in rows(path, **options).items() if row.error}


def test_pictures_with_what_lies_beside_them(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    found = rows(tmp_path, license="CC-BY-4.0", credit="me")
    assert list(found) == IDS
    assert not any(row.error for row in found.values())
    assert found["a.JPG"].fields["caption"] == "A cup."
    assert found["a.JPG"].fields["base"] == f"{tmp_path}/"
    last = found["deep/er/c.webp"].fields
    assert (last["caption"], last["license"], last["credit"]) == ("Sea", "CC0-1.0", "me")
    assert last["objects"][0]["label"] == "cup"
    assert set(last) == set(Images.writes)
    assert source(tmp_path).count() == 4


def test_a_bucket_gives_what_a_folder_gives(tmp_path: Path) -> None:
    write_files(tmp_path, FILES)
    memory = fsspec.filesystem("memory")
    for name, data in FILES.items():
        memory.pipe(f"/bucket-of-pictures/{name}", data.encode() if isinstance(data, str) else data)
    here, there = rows(tmp_path), rows("memory://bucket-of-pictures")
    bare = [{id: {**row.fields, "base": ""} for id, row in found.items()} for found in (here, there)]
    assert bare[0] == bare[1]
    assert source("memory://bucket-of-pictures").count() is None


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("*.png", ["b.png"]),
        ("**/*.png", ["b.png", "deep/d.png"]),
        ("deep/*", ["d.png"]),
        ("deep/*/c.*", ["er/c.webp"]),
        ("[ab].*", ["a.JPG", "b.png"]),
    ],
)
def test_globs(tmp_path: Path, pattern: str, ids: list[str]) -> None:
    write_files(tmp_path, FILES)
    found = rows(f"{tmp_path}/{pattern}")
    assert list(found) == ids
    for row in found.values():
        assert (Path(row.fields["base"]) / row.fields["uri"]).exists()


def test_a_relative_folder_counts_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path / "in", FILES)
    monkeypatch.chdir(tmp_path)
    assert [row.fields["base"] for row in rows("in").values()] == ["in/"] * 4
    assert list(rows("*/b.png")) == ["in/b.png"]
    assert list(rows(".")) == [f"in/{id}" for id in IDS]


TABLES: list[dict[str, Any]] = [
    {"file_name": "b.png", "caption": "bee"},
    {"file_name": "a.JPG", "caption": "ay", "license": "CC0-1.0"},
    {"file_name": "gone.png", "caption": "gone"},
]


def write_table(path: Path, kind: str, message: list[dict[str, Any]]) -> str:
    target = path / f"told.{kind}"
    if kind == "jsonl":
        target.write_text("".join(json.dumps(row) + "\n" for row in message))
    elif kind == "csv":
        keys = list(dict.fromkeys(key for row in message for key in row))
        lines = [
            keys,
            *([json.dumps(row[key]) if key == "objects" else row.get(key, "") for key in keys] for row in message),
        ]
        import csv

        with target.open("w", newline="") as file:
            csv.writer(file).writerows(lines)
    else:
        keys = dict.fromkeys(key for row in message for key in row)
        pq.write_table(pa.Table.from_pylist([{key: row.get(key) for key in keys} for row in message]), target)
    return str(target)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_table_tells_of_each_picture_and_what_is_missing_is_told(tmp_path: Path, kind: str) -> None:
    table = write_table(tmp_path, kind, TABLES)
    write_files(tmp_path / "in", {name: FILES[name] for name in ("a.JPG", "b.png", "a.txt")} | {"x/c.png": PNG})
    found = rows(tmp_path / "in", table=table, license="CC-BY-4.0")
    assert found["a.JPG"].fields["caption"] == "ay"
    assert (found["a.JPG"].fields["license"], found["b.png"].fields["license"]) == ("CC0-1.0", "CC-BY-4.0")
    assert found["x/c.png"].error == f"{tmp_path}/in/x/c.png: {table} has no row whose 'file_name' is 'x/c.png'"
    last = list(found.values())[-1]
    assert last.id == "%table:gone.png"
    assert last.error.endswith("names gone.png, which is not there")
    assert len(found) == 4


def test_faults_in_a_table_fail_their_pictures(tmp_path: Path) -> None:
    lines = [
        {"file_name": "a.JPG", "caption": "x"}, {"file_name": "a.JPG", "caption": "y"}, {"file_name": "b.png", "licence": "z"},
        {"caption": "nobody"},
    ]  # fmt: skip
    write_files(tmp_path / "in", {"a.JPG": PNG, "b.png": PNG})
    found = errors(tmp_path / "in", table=write_table(tmp_path, "jsonl", lines))
    assert found["a.JPG"].endswith("line 1: names 'a.JPG' a second time")
    assert found["b.png"].endswith("line 3: unknown key 'licence'; did you mean 'license'?")
    assert found["%table:%3"].endswith("line 4: 'file_name' names no file")
    with pytest.raises(ConfigError, match="there is no column 'file' that names files; did you mean 'file_name'"):
        rows(tmp_path / "in", table=write_table(tmp_path, "csv", TABLES), table_key="file")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b"{", "a.json: not valid JSON: Expecting property name"),
        ("a.json", b"[1]", "a.json: holds list, not a JSON object"),
        ("a.json", b'{"licence": "x"}', "a.json: unknown key 'licence'; did you mean 'license'?"),
        ("a.json", b'{"caption": 7}', "'caption': input should be a valid string"),
        ("a.json", b'{"objects": [{"label": "x"}]}', "'objects.0.box': field required"),
        ("a.json", b"[" * 100_000, "a.json: not valid JSON: nested too deep"),
        ("a.txt", b"\xff\xfe", "a.txt: not valid UTF-8"),
        ("a.txt", b"x" * 200_000, "'caption': string should have at most 100000 characters"),
    ],
)
def test_a_fault_beside_a_picture_fails_it_alone(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    write_files(tmp_path, {"a.png": PNG, "b.png": PNG})
    (tmp_path / name).write_bytes(data)
    found = errors(tmp_path)
    assert list(found) == ["a.png"]
    assert message in found["a.png"]
    assert found["a.png"].startswith(f"{tmp_path}/a.png: ")


def test_odd_names_and_unreadable_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path, {"a#0.png": PNG, "b.png": PNG, "c.png": PNG, "c.txt": "x" * 20})
    os.mkdir(tmp_path / "b.txt")
    Path(os.fsdecode(os.fsencode(f"{tmp_path}/") + b"\xff.png")).write_bytes(PNG)
    os.symlink(tmp_path, tmp_path / "loop")
    monkeypatch.setattr(sidecars, "LARGEST", 10)
    found = rows(tmp_path)
    assert set(found) == {"a%230.png", "b.png", "c.png", r"\udcff.png"}
    assert "c.txt: is larger than 10 bytes" in found["c.png"].error
    assert "unable to parse raw data as a unicode" in found[r"\udcff.png"].error
    found[r"\udcff.png"].error.encode()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "there is no such folder or file; a relative path counts from here"),
        ("empty", "holds no pictures; their names end in .jpg, "),
        ("a.png", "is a file; give a folder or a glob, or another `kind` of source"),
        ("*.gif", "holds no pictures; their names end in .jpg, "),
    ],
)
def test_a_place_without_pictures_is_told_at_once(tmp_path: Path, path: str, message: str) -> None:
    write_files(tmp_path, {"a.png": PNG})
    (tmp_path / "empty").mkdir()
    looked = source(tmp_path / path)
    for look in (looked.check, lambda: list(looked.rows())):
        with pytest.raises(ConfigError) as caught:
            look()
        assert str(caught.value).startswith(f"{tmp_path}/{path}: {message}")


def test_schemes_that_are_none() -> None:
    with pytest.raises(ConfigError, match="no filesystem has the scheme 'carrier-pigeon'"):
        source("carrier-pigeon://x").check()
    with pytest.raises(ConfigError, match="packages are not listed"):
        source("package://skimage/data").check()
