"""Sources of pairs: tables, SEED-Data-Edit part 1, virtual try-on. Layouts are made here; no real data was at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from foreign_pairs import ROWS, SEED, dress_code, dressed, lines, pairs, seed_edit, try_on, viton_hd

from datagen.core.errors import ConfigError
from datagen.fetch import SCHEMES, read_file
from datagen.imaging.image import Image
from datagen.sources.base import Source
from datagen.sources.formats.seed_edit import SeedEditPart1Config
from datagen.sources.rows import PAIR_FIELDS
from datagen.sources.tables import PairsConfig


def fields_of(source: Source) -> dict[str, dict[str, Any]]:
    source.check()
    rows = list(source.rows())
    assert [row.error for row in rows] == [""] * len(rows)
    for row in rows:
        assert set(row.fields) == set(source.writes) >= set(PAIR_FIELDS)
        for name in ("uri", "target_uri", *(["reference_uri"] if row.fields["reference_uri"] else [])):
            Image.decode(read_file(row.fields[name], base=row.fields["base"], schemes=SCHEMES, max_bytes=10**6))
    return {row.id: dict(row.fields) for row in rows}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_a_table_of_pairs(tmp_path: Path, ending: str) -> None:
    source = PairsConfig(path=str(pairs(tmp_path, ending))).load()
    found = fields_of(source)
    assert source.count() == len(ROWS)
    assert found["a"]["text"] == "replace the cat with a dog"
    assert (found["a"]["reference_from"], found["a"]["annotated_match"], found["a"]["operation"]) == ("target", 1.0, "")
    assert (found["b"]["reference_from"], found["b"]["annotated_match"], found["b"]["license"]) == (
        "file",
        0.5,
        "CC0-1.0",
    )


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("text", " ", "'text': string should have at least 1 character"),
        ("text", "", "'text': field required"),
        ("text", None, "'text': field required"),
        ("target_uri", None, "'target_uri': field required"),
        ("target", "b.png", "unknown key 'target'; did you mean 'target_uri'?"),
        ("annotated_match", "high", "'annotated_match' is 'high'; it has to be a number"),
        ("annotated_match", None, "'annotated_match': input should be a valid number"),
        ("target_sha256", "abc", "'target_sha256': string should match pattern"),
    ],
)
def test_a_wrong_pair_fails_alone(tmp_path: Path, key: str, value: Any, message: str) -> None:
    path = pairs(tmp_path)
    wrong = {name: item for name, item in {**ROWS[0], "id": "c", key: value}.items() if item is not None}
    with path.open("a") as file:
        file.write(json.dumps(wrong) + "\n")
    *sound, failed = PairsConfig(path=str(path)).load().rows()
    assert [row.error for row in sound] == ["", ""]
    assert failed.id in ("c", "%line3")
    assert message in failed.error
    assert "pairs.jsonl: line 3" in failed.error


def test_a_score_is_given_to_every_row_or_to_none(tmp_path: Path) -> None:
    rows = [{key: value for key, value in ROWS[0].items() if key != "annotated_match"}, ROWS[1]]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sound, failed = PairsConfig(path=str(path)).load().rows()
    assert not sound.error
    assert "has 'annotated_match', which the first row has not: give it to every row, or to none" in failed.error


def test_columns_that_are_wrong_are_told(tmp_path: Path) -> None:
    path = pairs(tmp_path, "csv")
    path.write_text(path.read_text().replace("target_uri", "taget_uri"))
    with pytest.raises(ConfigError, match="the column 'taget_uri' means nothing; did you mean"):
        PairsConfig(path=str(path)).load().check()


def test_seed_edit_part_1(tmp_path: Path) -> None:
    found = fields_of(SeedEditPart1Config(path=str(seed_edit(tmp_path))).load())
    assert list(found) == ["split_0001/1", "split_0001/2", "split_0001/3", "split_0002/1"]
    second = found["split_0001/2"]
    assert (second["uri"], second["target_uri"]) == ("photo-1.jpg", "photo-1_0.jpg")
    assert (second["source_caption"], second["target_caption"]) == ("a cat", "a dog")
    assert (second["text"], second["annotated_match"]) == ("replace the cat with a dog", pytest.approx(0.3))
    assert (second["license"], second["reference_from"]) == ("CC-BY-NC-4.0", "target")


def test_seed_edit_reworded_by_gpt_4v(tmp_path: Path) -> None:
    folder = str(seed_edit(tmp_path))
    found = fields_of(SeedEditPart1Config(path=folder, annotations="annotations_GPT4V", score_key="").load())
    assert ["annotated_match" in one for one in found.values()] == [False]


def test_a_seed_edit_that_is_not_as_expected_is_told(tmp_path: Path) -> None:
    top = seed_edit(tmp_path)
    with pytest.raises(
        ConfigError, match=r"has no key 'score' \(`score_key`; '' reads none\); did you mean 'match_score'"
    ):
        SeedEditPart1Config(path=str(top), score_key="score").load().check()
    with pytest.raises(ConfigError, match="there is no such folder"):
        SeedEditPart1Config(path=str(tmp_path / "gone")).load().check()
    with pytest.raises(ConfigError, match=r"holds no \.jsonl files, which SEED-Data-Edit's annotations are"):
        SeedEditPart1Config(path=str(top), annotations="images").load().check()


def test_a_line_of_seed_edit_that_is_wrong_fails_alone(tmp_path: Path) -> None:
    lacking = {key: value for key, value in SEED[1].items() if key != "target_image"}
    top = seed_edit(tmp_path, [SEED[0], lacking, {**SEED[2], "match_score": "high"}])
    rows = list(SeedEditPart1Config(path=str(top)).load().rows())
    assert [bool(row.error) for row in rows] == [False, True, True, False]
    assert "split_0001.jsonl: line 2: 'target_image': field required" in rows[1].error
    assert "'match_score': input should be a valid number" in rows[2].error


@pytest.mark.parametrize("key", ["source_image", "target_image"])
@pytest.mark.parametrize("name", ["../../x.jpg", "/etc/x.jpg", "file:///x.jpg"])
def test_a_line_of_seed_edit_that_leads_out_of_its_folder_fails_alone(tmp_path: Path, key: str, name: str) -> None:
    top = seed_edit(tmp_path, [SEED[0], {**SEED[1], key: name}])
    rows = list(SeedEditPart1Config(path=str(top)).load().rows())
    assert [bool(row.error) for row in rows] == [False, True, False]
    assert f"line 2: names '{name}', which leads out of the folder of the pictures" in rows[1].error


def test_a_line_of_seed_edit_without_a_score_fails_alone(tmp_path: Path) -> None:
    top = seed_edit(tmp_path, [SEED[0], {**SEED[1], "match_score": None}])
    rows = list(SeedEditPart1Config(path=str(top)).load().rows())
    assert [row.error.partition("line 2: ")[2] for row in rows] == ["", "'match_score': field required", ""]


def test_faulty_lines_are_named_as_sound_ones_would_be(tmp_path: Path) -> None:
    top = seed_edit(tmp_path)
    path = top / "annotations" / "split_0001.jsonl"
    path.write_text("{\n" + lines([{**SEED[0], "source_image": "../x"}, SEED[1]]))
    path.rename(path.with_name("a+b#1.jsonl"))
    rows = list(SeedEditPart1Config(path=str(top)).load().rows())
    assert [row.id for row in rows] == [*(f"a%2Bb%231/{line}" for line in (1, 2, 3)), "split_0002/1"]


@pytest.mark.parametrize("line", ["../../x.jpg b.jpg", "a.jpg /etc/x.jpg", "a.jpg file:///x.jpg"])
def test_a_pair_to_try_on_that_leads_out_of_its_folder_fails_alone(tmp_path: Path, line: str) -> None:
    top = viton_hd(tmp_path)
    (tmp_path / "test_pairs.txt").write_text(f"{line}\n00001_00.jpg 00002_00.jpg\n")
    wrong, good = try_on(top).load().rows()
    assert wrong.id == "%line1"
    assert "test_pairs.txt:1: names '" in wrong.error
    assert "leads out of the folder of the pictures" in wrong.error
    assert not good.error


def test_a_pair_to_try_on_whose_names_are_too_long_is_called_by_its_line(tmp_path: Path) -> None:
    top = viton_hd(tmp_path)
    (tmp_path / "test_pairs.txt").write_bytes(b"\xff" * 4000 + b" b.jpg\n")
    [wrong] = try_on(top).load().rows()
    assert wrong.error
    assert wrong.id == "%line1"


def test_a_faulty_row_whose_id_was_used_above_tells_both(tmp_path: Path) -> None:
    path = pairs(tmp_path)
    path.write_text(lines([ROWS[0], {**ROWS[0], "reach": "far"}]))
    _, again = PairsConfig(path=str(path)).load().rows()
    assert "'reach': input should be" in again.error
    assert again.error.endswith("row 2: the id 'a' was used above")


@pytest.mark.parametrize(
    ("source", "before", "after"),
    [
        ("photograph", "image/00001_00.jpg", "result/00001_00.jpg"),
        ("result", "result/00001_00.jpg", "image/00001_00.jpg"),
        ("agnostic", "agnostic-v3.2/00001_00.jpg", "image/00001_00.jpg"),
    ],
)
def test_viton_hd(tmp_path: Path, source: str, before: str, after: str) -> None:
    found = fields_of(try_on(viton_hd(tmp_path), source=source).load())
    assert list(found) == ["00001_00-00002_00", "00002_00-00001_00"]
    first = found["00001_00-00002_00"]
    assert (first["uri"], first["target_uri"], first["reference_uri"]) == (before, after, "cloth/00002_00.jpg")
    assert (first["reference_from"], first["operation"]) == ("file", "replace")
    assert first["text"] == "replace the top with another top"


def test_dress_code(tmp_path: Path) -> None:
    found = fields_of(dressed(dress_code(tmp_path)).load())
    (only,) = found.values()
    assert (only["uri"], only["target_uri"]) == ("images/013563_0.jpg", "result/013563_0.jpg")
    assert (only["reference_uri"], only["text"]) == ("images/020714_1.jpg", "replace the dress with another dress")


def test_a_try_on_that_is_not_as_expected_is_told(tmp_path: Path) -> None:
    top = viton_hd(tmp_path)
    with pytest.raises(ValueError, match="`source: result` needs `results`, the folder of what a try-on model made"):
        try_on(top, source="result", results="")
    with pytest.raises(ValueError, match="DressCode has no agnostic pictures; set `source: photograph` or `result`"):
        try_on(top, layout="dress_code", source="agnostic")
    with pytest.raises(ConfigError, match="made/: there is no such folder or file"):
        try_on(top, results="made").load().check()
    (tmp_path / "empty.txt").touch()
    with pytest.raises(
        ConfigError, match=r"empty.txt: holds no pairs; each line is a person's and a garment's file name"
    ):
        try_on(top, pairs=f"{tmp_path}/empty.txt").load().check()
    (tmp_path / "odd.txt").write_bytes(b"one.jpg\n\xff\xfe two.jpg\na.jpg b.jpg c d\na.jpg b.jpg 1\n")
    rows = list(try_on(top, pairs=f"{tmp_path}/odd.txt").load().rows())
    assert [bool(row.error) for row in rows] == [True, False, True, False]
    assert "odd.txt:1: has 1 words; a person's and a garment's file name are wanted" in rows[0].error
