"""The list of photographs: its split, its checksums and outlines."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from datagen.core.errors import ConfigError, DataError
from datagen.fetch import read_file
from datagen.worlds.photographs import (
    LONG_SIDE,
    own_photographs,
    parse_photographs,
    photograph_pixels,
    split_of,
)

PHOTOGRAPHS = {photo.name: photo for photo in own_photographs().photograph}
HELD_OUT = {name for name, photo in PHOTOGRAPHS.items() if photo.split == "held_out"}


def test_all_that_shipped_manifests_use_is_tuned() -> None:
    used = set()
    for path in Path("manifests").rglob("*.jsonl"):
        used |= set(re.findall(r"package://[^\"]+", path.read_text()))
    assert len(used) >= 7
    tuned = {photo.uri for photo in PHOTOGRAPHS.values() if photo.split == "tuned"}
    assert used <= tuned


def test_no_default_can_come_from_what_is_held_out() -> None:
    """No manifest, config or benchmark names a held-out photograph."""
    files = [path for folder in ("manifests", "configs", "benchmarks") for path in Path(folder).rglob("*")]
    uses = re.compile(rf"(data\.|data/)({'|'.join(sorted(HELD_OUT))})\b")
    texts = {path: path.read_text() for path in files if path.suffix in (".py", ".yaml", ".jsonl", ".csv")}
    assert {path.parts[0] for path in texts} == {"manifests", "configs", "benchmarks"}
    assert all(uses.search(f"package://skimage/data/{name}.png") for name in HELD_OUT)
    assert [path for path, text in texts.items() if uses.search(text)] == []


def test_both_splits_have_backgrounds_and_outlines() -> None:
    for split in ("tuned", "held_out"):
        assert len(own_photographs().backgrounds(split)) >= 8
        labels = [outline.label for photo in own_photographs().with_objects(split) for outline in photo.object]
        assert len(set(labels)) >= 6


@pytest.mark.parametrize("name", sorted(PHOTOGRAPHS))
def test_a_photograph_is_the_file_that_was_listed(name: str) -> None:
    photo = PHOTOGRAPHS[name]
    pixels, scale = photograph_pixels(photo.uri, sha256=photo.sha256)
    assert scale == 1
    assert max(pixels.shape) <= LONG_SIDE
    grey = bool((pixels == pixels[..., :1]).all())
    assert grey is photo.grey or not photo.background
    height, width = pixels.shape[:2]
    for outline in photo.object:
        for x, y in (corner for polygon in outline.polygons for corner in polygon):
            assert -1 <= x <= width + 1
            assert -1 <= y <= height + 1


def test_what_is_used_has_a_licence() -> None:
    for photo in PHOTOGRAPHS.values():
        assert photo.license or not (photo.background or photo.object), photo.name


def test_outlines_of_the_demo_are_those_of_its_manifest() -> None:
    rows = [json.loads(line) for line in Path("manifests/demo.jsonl").read_text().splitlines()]
    for row in rows:
        photo = PHOTOGRAPHS[row["id"]]
        assert (photo.uri, photo.sha256, photo.license) == (row["uri"], row["sha256"], row["license"])
        known = [
            (thing["label"], tuple(tuple(map(tuple, polygon)) for polygon in thing["polygons"]))
            for thing in row["objects"]
        ]
        assert photo.object
        for outline in photo.object:
            assert (outline.label, outline.polygons) in known


def test_the_split_of_a_file_that_no_list_names_is_a_bit_of_its_name() -> None:
    names = [f"album/{number}.jpg" for number in range(400)]
    held_out = [name for name in names if split_of(name) == "held_out"]
    assert 160 < len(held_out) < 240
    assert all(hashlib.sha256(name.encode()).digest()[0] >= 128 for name in held_out)


GOOD = 'name = "a"\nuri = "a.png"\nsplit = "tuned"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[photograph]\n", "is no TOML"),
        ("\xff", "is no TOML"),
        ('[[photograph]]\nname = "a"\n', "photograph.0.uri: Field required"),
        (f"[[photograph]]\n{GOOD.replace('tuned', 'tune')}", "photograph.0.split"),
        (f"[[photograph]]\n{GOOD}colour = 1\n", "photograph.0.colour"),
        (f'[[photograph]]\n{GOOD}[[photograph.object]]\nlabel = "x"\npolygons = [[[1, 2], [3, 4]]]\n', "polygons"),
        (f"[[photograph]]\n{GOOD}[[photograph]]\n{GOOD}", "two photographs are called 'a'"),
    ],
)
def test_a_list_that_is_wrong_names_its_fault(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_photographs(text.encode("latin-1"), where="photographs.toml")


def test_a_photograph_that_cannot_be_used_names_its_fault(tmp_path: Path) -> None:
    rocket = read_file("package://skimage/data/rocket.jpg", schemes=("package",), max_bytes=10**7)
    (tmp_path / "rocket.jpg").write_bytes(rocket)
    (tmp_path / "bad.npz").write_bytes(rocket)
    base = f"{tmp_path}/"
    for name, sha256, found in (
        ("gone.jpg", "", "gone.jpg: "),
        ("rocket.jpg", "0" * 64, "the list says 0000"),
        ("bad.npz", "", "holds no grey picture called 'data'"),
    ):
        with pytest.raises(DataError, match=found):
            photograph_pixels(name, base=base, sha256=sha256)
    pixels, scale = photograph_pixels("rocket.jpg", base=base)
    assert pixels.shape == (427, 640, 3)
    assert scale == 1
    with pytest.raises(ValueError, match="read-only"):
        pixels[0] = 0
