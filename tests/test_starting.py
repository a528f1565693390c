"""`manifest` and `init`: what a stranger types first."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from commands import call
from foreign import CAPTIONS, INSTANCES, JPG, MASKS, PNG, SAMPLES, dataset, sa1b_file, write_files, write_tar
from picture_files import noise, saved
from pictures import DATA, demo_rows
from PIL import Image as Pillow
from web_server import serving

from datagen import cli
from datagen.fetch import SCHEMES, read_file
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.sources.manifest import ManifestConfig

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder like a fresh clone, to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATAGEN_CACHE", str(tmp_path / "cache"))
    for name in ("stages", "manifests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def lines(path: str = "manifest.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


# manifest


def test_a_manifest_of_a_folder(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    turned = saved(noise(16, 24), "JPEG", exif=exif)
    thing = {"label": "cup", "box": [1, 2, 3, 4]}
    write_files(
        here / "in", {"b.jpg": turned, "a#1.png": PNG, "b.json": json.dumps({"license": "CC0-1.0", "objects": [thing]})}
    )
    assert call("manifest", "in", "--license", "CC-BY-4.0", capfd=capfd) == (
        0,
        "manifest.jsonl: 2 pictures; 0 left out\n",
        "",
    )
    first, second = lines()
    assert first == {
        "id": "a#1.png", "uri": "in/a#1.png", "sha256": hashlib.sha256(PNG).hexdigest(), "width": 8, "height": 6,
        "bytes": len(PNG), "license": "CC-BY-4.0",
    }  # fmt: skip
    assert (second["width"], second["height"]) == (16, 24)
    assert (second["license"], second["objects"]) == ("CC0-1.0", [thing])
    [one, other] = ManifestConfig(path="manifest.jsonl").load().rows()
    assert (one.error, other.error, one.id) == ("", "", "a%231.png")


def test_addresses_count_from_where_the_manifest_lies(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_tar(here / "t.tar", {"x.jpg": JPG})
    for to in ("m.jsonl", "deep/er/m.jsonl"):
        assert call("manifest", "t.tar", "--to", to, capfd=capfd)[0] == cli.OK
        [row] = ManifestConfig(path=to).load().rows()
        assert read_file(row.fields["uri"], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6) == JPG
    assert lines("m.jsonl")[0]["uri"].endswith("/t.tar")
    assert not lines("m.jsonl")[0]["uri"].endswith("//t.tar")


def test_every_kind_of_source_has_a_manifest(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    masks = sa1b_file(1, MASKS, width=24, height=16)
    write_files(
        here,
        {
            "s/sa_1.jpg": JPG,
            "s/sa_1.json": masks,
            "val/000002.jpg": JPG,
            "val/000009.jpg": JPG,
            "val/in/000004.jpg": JPG,
        },
    )
    write_files(
        here,
        {
            "annotations/instances_val.json": json.dumps(INSTANCES),
            "annotations/captions_val.json": json.dumps(CAPTIONS),
        },
    )
    write_tar(here / "w.tar", SAMPLES)
    (here / "h").mkdir()
    dataset(3).to_parquet(str(here / "h" / "x.parquet"))
    capfd.readouterr()  # what `datasets` says of its progress
    for place, number in {"s": 1, "annotations": 3, "w.tar": 2, "h": 3, "manifests/demo.jsonl": 7}.items():
        to = f"{place.replace('/', '-')}.jsonl"
        code, output, errors = call("manifest", place, "--to", to, capfd=capfd)
        assert (code, errors) == (0, ""), place
        assert output.startswith(f"{to}: {number} pictures; 0 left out\n")
        assert ("their masks are not in it" in output) == (place == "s")
        assert len(lines(to)) == number
        assert not any(row.error for row in ManifestConfig(path=to).load().rows())
    known = demo_rows()
    assert {row["id"]: row["sha256"] for row in lines("manifests-demo.jsonl.jsonl")} == {
        id: row["sha256"] for id, row in known.items()
    }


def test_what_cannot_be_read_is_left_out_and_listed(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_files(
        here / "in", {"a.png": PNG, "b.png": b"", "c.png": b"<html>", "d.png": PNG, "d.json": "{", "\x1b[31m.png": b"x"}
    )
    code, output, errors = call("manifest", "in", capfd=capfd)
    assert code == cli.SOME_FAILED
    assert output == "manifest.jsonl: 1 pictures; 4 left out\n"
    assert errors.splitlines() == [
        "left out: \\x1b[31m.png: not a picture that can be read",
        "left out: b.png: the file is empty",
        "left out: c.png: not a picture that can be read",
        "left out: d.png: in/d.png: d.json: not valid JSON: Expecting property name enclosed in double quotes at character 2",
    ]


def test_nothing_is_written_where_nothing_can_be_read(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_files(here, {"in/a.png": b"x"})
    code, output, _ = call("manifest", "in", capfd=capfd)
    assert (code, output) == (cli.SOME_FAILED, "manifest.jsonl is not written: of 1 pictures none can be read\n")
    assert not list(here.glob("manifest.jsonl*"))


def test_pictures_that_changed_since_are_told(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_files(here, {"a.png": PNG, "m.jsonl": json.dumps({"id": "a", "uri": "a.png", "sha256": "0" * 64})})
    code, _, errors = call("manifest", "m.jsonl", capfd=capfd)
    assert code == cli.SOME_FAILED
    assert f"its checksum is {hashlib.sha256(PNG).hexdigest()}, the source says {'0' * 64}" in errors


def test_urls_are_fetched_from_the_hosts_that_are_named(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serving() as server:
        write_files(here, {"urls.csv": f"id,uri\na,{server.give('/a.png', 200, PNG)}\n"})
        code, _, errors = call("manifest", "urls.csv", capfd=capfd)
        assert code == cli.SOME_FAILED
        assert "the scheme 'http' is not allowed" in errors
        assert call("manifest", "urls.csv", "--host", "127.0.0.1", capfd=capfd)[0] == cli.OK
        assert lines()[0]["uri"] == f"{server.address}/a.png"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["manifest", "nowhere"], "error: nowhere: there is no such folder or file; a relative path counts from here"),
        (["manifest", "in", "--to", "taken.jsonl"], "error: taken.jsonl is there already; give another --to, or --force to replace it"),
        (["manifest", "in", "--to", "in"], "error: in is a folder; give the name of a file"),
        (["manifest", "in", "--to", "taken.jsonl/m.jsonl"], "error: taken.jsonl/m.jsonl: cannot be written: "),
        (["manifest", "in", "--kind", "coco"], "error: --kind coco: 'source.images' is missing; add it"),
        (["manifest", "in", "--set", "tabel=x.csv"], "error: --set tabel=x.csv: unknown key 'source.tabel'; did you mean 'table'?"),
        (["manifest", "in", "--set", "table"], "error: --set table: write it as --set key=value"),
        (["manifest", "in/a.png"], "error: in/a.png: is a single file that no source reads; give a folder, or one of .jsonl"),
        (["manifest", "empty"], "error: empty: holds nothing that a source reads: pictures, tars, "),
        (["manifest", "lonely/instances_x.json"], "error: lonely/instances_x.json: where are its pictures? looked in lonely/x, "),
        (["manifest", "tape://x"], "error: tape://x: no filesystem has the scheme 'tape'"),
        (["manifest", "packed.tar.gz"], "error: packed.tar.gz: is packed; pictures are read from plain tars"),
        (["manifest", "in/a.png/b"], "error: in/a.png/b: is a file, not a folder"),
        (["manifest", "in", "--kind", "coco", "--set", "images=in"], "error: ./in: is a folder, not a file"),
        (["manifest", "in", "--host", "http://x"], "Usage: "),
        (["init", "nowhere"], "error: nowhere: there is no such folder or file; a relative path counts from here"),
        (["init", "in", "--to", "taken.jsonl"], "error: taken.jsonl is there already; give another --to, or --force to replace it"),
    ],
)  # fmt: skip
def test_a_mistake_gets_a_line_and_changes_nothing(
    here: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    write_files(here, {"in/a.png": PNG, "taken.jsonl": "mine", "lonely/instances_x.json": "{}", "packed.tar.gz": "x"})
    (here / "empty").mkdir()
    code, out, errors = call(*words, capfd=capfd)
    assert (code, out) == (cli.WRONG, "")
    assert errors.startswith(message)
    assert len(errors.splitlines()) == 1 or message == "Usage: "
    assert Path("taken.jsonl").read_text() == "mine"
    assert not list(here.rglob("*.tmp"))
    assert not Path("manifest.jsonl").exists()


# init


def started(place: object, here: Path, capfd: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """The config that `init` writes for a place, and what it said; `check` passes at once."""
    config = here / "configs" / "mine.yaml"
    code, output, errors = call("init", *([place] if place else []), "--force", capfd=capfd)
    assert (code, errors) == (0, "")
    assert "python -m datagen run configs/mine.yaml --limit 4" in output
    assert call("check", config, capfd=capfd)[0] == cli.OK
    return config, output


def ran(config: Path, out: Path, capfd: pytest.CaptureFixture[str]) -> str:
    code, output, errors = call("run", config, "--limit", 4, "--engine", "local", "--out", out, capfd=capfd)
    assert code == cli.OK, errors
    return output


def test_without_a_folder_it_is_the_demo(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, found = started("", here, capfd)
    assert found.startswith("configs/mine.yaml: the demo's photographs\n")
    assert build(load(config)).loaded.pipeline.pipeline == "mine"


def test_where_the_demo_is_not_there_nothing_is_written(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (here / "manifests").unlink()
    code, _, errors = call("init", capfd=capfd)
    assert code == cli.WRONG
    assert (
        "manifests/demo.jsonl: there is no such manifest; a relative path counts from here; nothing is written"
        in errors
    )
    assert errors.startswith("error: configs/mine.yaml:")
    assert not list((here / "configs").iterdir())


def test_pictures_without_objects_run_and_the_config_says_what_they_need(
    here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_files(here, {"photos/a.jpg": (DATA / "rocket.jpg").read_bytes()})
    config, found = started("photos", here, capfd)
    assert "no objects are annotated yet, and the config says what is needed" in found
    assert "NO OBJECTS ARE ANNOTATED" in config.read_text()
    assert "1 rejected by expand_objects/no_children" in ran(config, here / "out", capfd)


def test_boxes_beside_pictures_are_enough_for_samples(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    row = demo_rows()["rocket"]
    things = [{"label": thing["label"], "box": thing["box"]} for thing in row["objects"][:1]]
    write_files(
        here, {"photos/a.jpg": (DATA / "rocket.jpg").read_bytes(), "photos/a.json": json.dumps({"objects": things})}
    )
    config, found = started("photos", here, capfd)
    assert "no objects" not in found
    assert "segmenter: {kind: grabcut}" in config.read_text()
    assert " accepted" in ran(config, here / "out", capfd)
    assert (here / "out" / "dataset.json").exists()


def test_it_finds_out_what_lies_there(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    masks = sa1b_file(1, MASKS, width=24, height=16)
    own = {"k.source.png": PNG, "k.target.png": PNG, "k.json": b'{"schema": 1, "captions": {}}'}
    write_files(here, {"s/sa_1.jpg": JPG, "s/sa_1.json": masks, "coco/val/000002.jpg": JPG})
    write_files(
        here,
        {
            "coco/annotations/instances_val.json": json.dumps(INSTANCES),
            "coco/annotations/captions_val.json": json.dumps(CAPTIONS),
        },
    )
    write_files(here, {"f/a b.png": PNG, "f/metadata.csv": "file_name,caption\na b.png,x\n"})
    for name, files in {"w": SAMPLES, "o": own, "st": {"sa_1.jpg": JPG, "sa_1.json": masks}}.items():
        (here / name).mkdir()
        write_tar(here / name / "x.tar", files)
    (here / "h").mkdir()
    dataset(3).to_parquet(str(here / "h" / "x.parquet"))
    dataset(3).save_to_disk(str(here / "d"))
    expected: dict[str, dict[str, str]] = {
        "s": {"kind": "sa1b"},
        "st": {"kind": "sa1b"},
        "coco/annotations": {"kind": "coco", "path": "coco/annotations/instances_val.json", "images": "coco/val", "captions": "coco/annotations/captions_val.json"},
        "coco/annotations/instances_val.json": {"kind": "coco"},
        "f": {"kind": "images", "table": "f/metadata.csv"},
        "f/a*.png": {"kind": "images"},
        "w": {"kind": "webdataset", "image": ""},
        "w/{x,x}.tar": {"kind": "webdataset"},
        "o": {"kind": "webdataset", "image": "target.png"},
        "h": {"kind": "huggingface", "image_column": "image", "caption_column": "text"},
        "d": {"kind": "huggingface"},
        "manifests/demo.jsonl": {"kind": "manifest"},
    }  # fmt: skip
    capfd.readouterr()  # what `datasets` says of its progress
    for place, options in expected.items():
        config, _ = started(place, here, capfd)
        source = build(load(config)).loaded.pipeline.source
        assert {key: getattr(source, key) for key in options} == options, place
        assert ("read_annotations" in config.read_text()) == (options["kind"] == "sa1b")


@pytest.mark.parametrize("name", ["a: b", 'it\'s "quoted"', "#hash", "$dollar ${x}", "line\nbreak", "ünï", "- dash"])
def test_odd_names_of_folders_stay_what_they_are(here: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    write_files(here / name, {"a.png": PNG})
    config, _ = started(name if not name.startswith("-") else f"./{name}", here, capfd)
    assert build(load(config)).loaded.pipeline.source.path.removeprefix("./") == name


def test_it_shows_a_run_of_sa1b(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config, _ = started("manifests/sa1b", here, capfd)
    assert "2 sources became" in ran(config, here / "out", capfd)
