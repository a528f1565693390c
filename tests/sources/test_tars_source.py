"""Tars, WebDataset's and SA-1B's: pictures are found by byte range, and nothing hostile is followed."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import pydantic
import pytest
from building import run_local, toy_graph
from foreign import JPG, MASKS, PNG, SAMPLES, sa1b_file, write_files, write_tar
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.errors import ConfigError
from datagen.fetch import SCHEMES, read_file
from datagen.sources.base import Source, SourceRow
from datagen.sources.formats.sa1b import Sa1bConfig
from datagen.sources.tars import read_members
from datagen.sources.webdataset import WebDatasetConfig


def source(path: object, **options: Any) -> Source:
    return WebDatasetConfig(path=str(path), **options).load()


def rows(path: object, **options: Any) -> dict[str, SourceRow]:
    looked = source(path, **options)
    looked.check()
    return {row.id: row for row in looked.rows()}


def sa1b(path: object) -> dict[str, SourceRow]:
    looked = Sa1bConfig(path=str(path)).load()
    looked.check()
    return {row.id: row for row in looked.rows()}


def picture(row: SourceRow, *, field: str = "uri") -> bytes:
    assert row.error == ""
    return read_file(row.fields[field], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6)


def test_samples_of_a_tar(tmp_path: Path) -> None:
    found = rows(write_tar(tmp_path / "a.tar", SAMPLES), credit="me")
    assert list(found) == ["a/0001", "a/sub/0002"]
    assert picture(found["a/0001"]) == JPG
    assert picture(found["a/sub/0002"]) == PNG
    fields = found["a/0001"].fields
    assert (fields["caption"], fields["license"], fields["credit"]) == ("from json", "CC0-1.0", "me")


@pytest.mark.torch
def test_keys_are_those_of_webdataset(tmp_path: Path) -> None:
    from webdataset.tariterators import base_plus_ext

    names = ["a.jpg", "a.x.png", "b/c.d.jpg", "b/c.txt", "./e.jpg", "f", ".g.jpg", "h.jpg", "i/.j.jpg"]
    path = write_tar(tmp_path / "a.tar", dict.fromkeys(names, JPG))
    theirs = [base_plus_ext(name)[0] for name in names if base_plus_ext(name)[0]]
    ours = [id.removeprefix("a/") for id in rows(path, image="jpg")]
    assert ours == list(dict.fromkeys(key.removeprefix("./") for key in theirs if not key.endswith("/")))


def test_many_tars_in_order_however_they_are_named(tmp_path: Path) -> None:
    for number in (2, 10, 1):
        write_tar(tmp_path / f"t-{number:02}.tar", {f"{number}.jpg": JPG})
    write_files(tmp_path, {"README.md": "x"})
    whole = ["t-01/1", "t-02/2", "t-10/10"]
    assert list(rows(tmp_path)) == list(rows(f"{tmp_path}/*.tar")) == whole
    assert list(rows(f"{tmp_path}/t-{{01..02}}.tar")) == whole[:2]
    assert list(rows(f"{tmp_path}/t-10.tar")) == whole[2:]
    fsspec.filesystem("memory").pipe("/tars/t-01.tar", (tmp_path / "t-01.tar").read_bytes())
    assert picture(rows("memory://tars")["t-01/1"]) == JPG


def test_datagens_own_shards(tmp_path: Path) -> None:
    made = {"id": "a", "uri": "x.png", "license": "CC0-1.0", "caption": "Sea"}
    run_local(toy_graph(tmp_path, [{"use": "paint"}], rows=[made]), tmp_path / "out")
    shards = tmp_path / "out" / "shards"
    found = rows(shards, image="target.png")
    assert len(found) == 1
    [row] = found.values()
    assert picture(row).startswith(b"\x89PNG")
    assert row.fields["license"] == "CC0-1.0"


def test_datagens_own_objects_are_those_of_the_target(tmp_path: Path) -> None:
    thing = {"label": "cup", "box": [1, 2, 3, 4], "mask": "mask_1.png", "attributes": ["red"]}
    values = {"schema": 1, "captions": {"source": "bare", "target": "full"}, "license": "", "instances": [thing]}
    path = write_tar(
        tmp_path / "a.tar", {"k.source.png": PNG, "k.target.png": PNG, "k.json": json.dumps(values).encode()}
    )
    fields = rows(path, image="target.png")["a/k"].fields
    assert fields["caption"] == "full"
    assert fields["objects"] == [
        {"label": "cup", "box": [1, 2, 3, 4], "polygons": [], "mask": None, "attributes": ["red"]}
    ]
    assert rows(path, image="source.png")["a/k"].fields["objects"] == []
    assert "has several pictures: source.png, target.png; say which by `image`" in rows(path)["a/k"].error


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"b.txt": b"x"}, "sample 'b': has no picture; it has: txt"),
        ({"b.jpg": JPG, "b.json": b"{"}, "sample 'b': not valid JSON"),
        ({"b.jpg": JPG, "b.json": b"[]"}, "sample 'b': its json holds list, not an object"),
        ({"b.jpg": JPG, "b.json": b'{"captions": 1, "objetcs": []}'}, "sample 'b': unknown key 'captions'"),
        ({"b.jpg": JPG, "b.txt": b"\xff"}, "sample 'b': not valid UTF-8"),
        ({"b.jpg": JPG, "b.json": b'{"caption": 1}'}, "sample 'b': 'caption': input should be a valid string"),
        ({"a.jpg": JPG}, "the id 'a/a' was used above"),
    ],
)
def test_a_wrong_sample_fails_alone(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in [("a.jpg", JPG), ("aa.jpg", JPG), *files.items(), ("z.jpg", JPG)]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    found = list(rows(tmp_path / "a.tar").values())
    assert [bool(row.error) for row in found] == [False, False, True, False]
    assert message in found[2].error
    assert f"{tmp_path}/a.tar" in found[2].error


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "a name that climbs": ({"name": "../b.jpg"}, "has a name that leads out of the tar"),
    "an absolute name": ({"name": "/etc/b.jpg"}, "has a name that leads out of the tar"),
    "a link": ({"name": "b.jpg", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is a symbolic link; it is not followed"),
    "a hard link": ({"name": "b.jpg", "type": tarfile.LNKTYPE, "linkname": "a.jpg"}, "is a hard link; it is not followed"),
    "a device": ({"name": "b.jpg", "type": tarfile.CHRTYPE}, "is a device, pipe or the like; it is not followed"),
    "a pipe": ({"name": "b.jpg", "type": tarfile.FIFOTYPE}, "is a device, pipe or the like; it is not followed"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_members_are_refused_by_name(tmp_path: Path, case: str) -> None:
    keys, result = HOSTILE[case]
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("a.jpg", "", "z.jpg"):
            info = tarfile.TarInfo(name or keys["name"])
            for key, value in keys.items() if not name else ():
                setattr(info, key, value)
            info.size = len(JPG) if name else 0
            tar.addfile(info, io.BytesIO(JPG) if name else None)
    found = rows(tmp_path / "a.tar")
    wrong = [row.error for row in found.values() if row.error]
    assert len(wrong) == 1
    assert result in wrong[0]
    assert [id for id, row in found.items() if not row.error] == ["a/a", "a/z"]


def test_tars_that_are_not_whole_say_where_they_end(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "a.tar", {"a.jpg": JPG, "b.jpg": JPG, "c.jpg": JPG}).read_bytes()
    cases = {
        "cut.tar": (whole[: len(JPG) + 1300], "cannot be read after 'b.jpg': unexpected end of data"),
        "junk.tar": (b"junk" * 500, "cannot be read"),
        "empty.tar": (b"", "cannot be read: empty file"),
        "packed.tar.gz": (b"\x1f\x8b" + whole, "is packed with gzip; pictures are read by byte range, which plain tars allow"),
        "odd.tar": (whole[:1536] + b"x" * 2048, "holds what is no tar from byte 1536 on, after 'a.jpg'"),
    }  # fmt: skip
    (tmp_path / "a.tar").unlink()
    for name, (data, _) in cases.items():
        (tmp_path / name).write_bytes(data)
    write_tar(tmp_path / "z.tar", {"z.jpg": JPG})
    found = {}
    for row in source(tmp_path).rows():
        found.setdefault(row.id.partition(":")[0].removeprefix("%"), []).append(row.error)
    for name, (_, result) in cases.items():
        assert any(result in error for error in found[name]), (name, found[name])
    assert found["z/z"] == [""]


@settings(max_examples=example_count(150), deadline=None)
@given(at=st.integers(0, 4000), data=st.binary(min_size=1, max_size=12), end=st.integers(100, 6000))
def test_a_damaged_tar_never_raises(tmp_path_factory: pytest.TempPathFactory, at: int, data: bytes, end: int) -> None:
    whole = bytearray(_whole())
    at %= len(whole)
    whole[at : at + len(data)] = data
    found = list(read_members(io.BytesIO(bytes(whole[:end]))))
    for member in found:
        assert member.error or member.size >= 0


def _whole() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a.jpg", "ü" * 150 + ".jpg", "b.jpg"):
            info = tarfile.TarInfo(name)
            info.size = 10
            tar.addfile(info, io.BytesIO(bytes(10)))
    return file.getvalue()


@pytest.mark.parametrize("option", ["image", "caption", "sidecar"])
@pytest.mark.parametrize("extension", ["pyd", "PTH", "x.pkl", ".jpg"])
def test_what_was_pickled_is_never_opened(option: str, extension: str) -> None:
    found = (
        "without the dot" if extension == ".jpg" else "what was pickled is never opened, as that runs whatever it holds"
    )
    with pytest.raises(pydantic.ValidationError, match=found):
        WebDatasetConfig(path="x", **{option: extension})


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.tar", "there is no such folder or file"),
        ("empty", "holds no tars"),
        ("t-{0..1.tar", "its braces do not fit|there is no such folder or file"),
        ("t-{0..1}.tar", "there is no such folder or file"),
    ],
)
def test_a_place_without_tars_is_told_at_once(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=message):
        source(tmp_path / path).check()
    path = str(write_tar(tmp_path / "a.tar", {"a.jpeg": JPG}))
    with pytest.raises(ConfigError, match="its first sample has no member 'jpg'; did you mean 'jpeg'"):
        source(path, image="jpg").check()


# SA-1B


def test_sa1b_in_folders_and_in_tars(tmp_path: Path) -> None:
    files = {
        f"sa_{n}.{kind}": data
        for n in (10, 9)
        for kind, data in (("json", sa1b_file(n, MASKS, width=24, height=16)), ("jpg", JPG))
    }
    write_files(tmp_path / "folder", files)
    (tmp_path / "tars").mkdir()
    write_tar(tmp_path / "tars" / "sa_000000.tar", {f"./{name}": data for name, data in files.items()})
    for place in ("folder", "tars", "tars/sa_000000.tar", "tars/*.tar", "tars/sa_{000000..000000}.tar"):
        found = sa1b(tmp_path / place)
        assert list(found) == ["sa_10", "sa_9"]
        assert picture(found["sa_9"]) == JPG
        assert json.loads(picture(found["sa_9"], field="annotation"))["image"]["image_id"] == 9
        assert "objects" not in found["sa_9"].fields
        assert found["sa_9"].fields["license"] == "LicenseRef-SA-1B"


def test_a_picture_of_sa1b_without_masks_fails_alone(tmp_path: Path) -> None:
    write_files(tmp_path, {"sa_1.jpg": JPG, "sa_1.json": "{}", "sa_2.jpg": JPG, "sa_3.json": "{}"})
    found = sa1b(tmp_path)
    assert {id: row.error.partition(": ")[2] for id, row in found.items()} == {
        "sa_1": "",
        "sa_2": "'sa_2' has no .json beside it",
        "sa_3": "'sa_3' has no .jpg/.jpeg/.png beside it",
    }
    tar = write_tar(tmp_path / "a.tar", {"sa_1.jpg": JPG, "sa_1.json": b"{}"})
    tar.write_bytes(tar.read_bytes()[:1800])
    last = list(sa1b(tar).values())[-1]
    assert "is cut off at byte 1800, after 'sa_1.jpg'" in last.error
    with pytest.raises(ConfigError, match="holds no pictures"):
        sa1b(write_files(tmp_path / "other", {"a.txt": "x"}))
