"""The loop with a person: runs write what waits onto a sheet, people fill it in, the same command goes on."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from building import ledger_rows
from commands import call
from foreign_generation import pairs
from foreign_pairs import SEED, seed_edit
from hypothesis import given
from hypothesis import strategies as st
from picture_files import noise, saved

from datagen import cli
from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow
from datagen.sources.formats.seed_edit import SeedEditPart1Config
from datagen.sources.review_sheet import COLUMNS, escape_formula, read_decisions, unescape_formula
from datagen.sources.reviewed import ReviewedConfig
from datagen.sources.tables import PairsConfig

CONFIG = "configs/mige_bench.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pairs(tmp_path)
    for number in range(4):
        for side in ("source", "target"):
            (tmp_path / f"{number}.{side}.png").write_bytes(saved(noise(6, 8), "PNG"))
    return tmp_path


def run(folder: Path, capfd: pytest.CaptureFixture[str], *words: str) -> Any:
    places = (f"source.path={folder}/sheet.csv", f"source.of.path={folder}/pairs.jsonl")
    sets = [word for place in places for word in ("--set", place)]
    return call("run", CONFIG, "--engine", "local", "--out", folder / "out", "--no-report", *sets, *words, capfd=capfd)


def sheet(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "sheet.csv").open(newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def fill(folder: Path, **cells: dict[str, str]) -> None:
    rows = sheet(folder)
    for id, found in cells.items():
        rows[id] |= found
    with (folder / "sheet.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows.values())


def ends(folder: Path) -> dict[str, str]:
    return {id: row["reason"] or row["status"] for id, row in ledger_rows(folder / "out").items()}


def test_a_benchmark_is_decided_on_in_as_many_runs_as_it_takes(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(folder, capfd)
    assert result.code == cli.OK
    assert "waits for a person: 4 at review_pair" in result.out
    assert f"and fill in      {folder}/sheet.csv" in result.out
    assert [*sheet(folder)] == ["p0", "p1", "p2", "p3"]
    assert sheet(folder)["p0"] | {"text": "add a cup to shelf 0", "awaits": "review_pair"} == sheet(folder)["p0"]

    fill(folder, p0={"decision": "keep"}, p1={"decision": "Keep"}, p2={"decision": "drop", "reason": "blurred"})
    result = run(folder, capfd)
    assert "2 at review_name, 1 at review_pair" in result.out
    assert {id: row["proposed_name"] for id, row in sheet(folder).items()} == {
        "p0": "cup",
        "p1": "cup 1",
        "p2": "",
        "p3": "",
    }
    assert ends(folder)["p2"] == "dropped"

    fill(folder, p0={"name": "ok"}, p1={"name": "mug"}, p3={"decision": "drop"})
    run(folder, capfd)
    assert sheet(folder)["p0"]["proposed_caption"] == "Shelf 0."

    fill(folder, p0={"caption": "OK"}, p1={"caption": "A mug on shelf 1."})
    result = run(folder, capfd)
    assert "waits for a person" not in result.out
    found = {
        id: json.loads(row["fields"]) for id, row in ledger_rows(folder / "out").items() if row["status"] == "accepted"
    }
    assert {id: (fields["subject"], fields["target_caption"], fields["task"]) for id, fields in found.items()} == {
        "p0": ("cup", "Shelf 0.", "subject_add"),
        "p1": ("mug", "A mug on shelf 1.", "subject_replace"),
    }


def test_a_decision_computes_its_own_slice_and_no_other(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(folder, capfd)
    fill(folder, p2={"decision": "keep", "name": "cup", "caption": "Shelf."})
    assert "3 of 4 slices were done before" in run(folder, capfd).out


def test_what_a_person_wrote_is_never_changed(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(folder, capfd)
    fill(folder, p0={"decision": "keep", "name": "ok", "proposed_name": "teacup", "note": "mine", "reason": "nice"})
    before = sheet(folder)["p0"]
    run(folder, capfd)
    after = sheet(folder)["p0"]
    assert {name: after[name] for name in ("decision", "reason", "name", "note", "proposed_name")} == {
        name: before[name] for name in ("decision", "reason", "name", "note", "proposed_name")
    }
    assert json.loads(ledger_rows(folder / "out")["p0"]["fields"])["subject"] == "teacup", "ok is to what they saw"


def test_rows_that_a_run_did_not_reach_stay_as_they_are(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(folder, capfd)
    before = (folder / "sheet.csv").read_bytes()
    run(folder, capfd, "--limit", "1")
    assert (folder / "sheet.csv").read_bytes() == before


def test_the_page_shows_both_pictures_and_runs_nothing(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line) for line in (folder / "pairs.jsonl").read_text().splitlines()]
    rows[0]["text"] = "<script>alert(1)</script>"
    rows[1]["uri"] = "https://pictures.example.org/1.png"
    rows[2]["uri"] = "nowhere.png"
    (folder / "pairs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    run(folder, capfd)
    page = (folder / "out" / "report" / "review.html").read_text()
    assert "<script>" not in page
    assert page.count("data:image/webp") == 6
    assert "the source lies on the web: https://pictures.example.org/1.png" in page
    assert "the source cannot be shown: there is no such file" in page


def test_a_sheet_may_be_json_lines(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = folder / "sheets" / "sheet.jsonl"
    run(folder, capfd, "--set", f"source.path={path}")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["p0", "p1", "p2", "p3"]
    path.write_text("".join(f"{json.dumps({**row, 'decision': 'drop'})}\n" for row in rows))
    run(folder, capfd, "--set", f"source.path={path}")
    assert set(ends(folder).values()) == {"dropped"}


def reviewed(folder: Path, text: str, **options: Any) -> list[SourceRow]:
    path = pairs(folder)
    (folder / "sheet.csv").write_text(text)
    source = ReviewedConfig(path=f"{folder}/sheet.csv", of=PairsConfig(path=str(path)), **options).load()
    source.check()
    return list(source.rows())


def test_pairs_beyond_a_cap_are_told_in_the_order_of_the_source(tmp_path: Path) -> None:
    found = reviewed(tmp_path, "id,decision\np0,keep\np2,keep\np1,keep\np3,drop\n", caps={"add": 1, "replace": 1})
    assert {row.id: row.fields["over_cap"] for row in found} == {"p0": False, "p1": False, "p2": True, "p3": False}


def from_seed(folder: Path, *texts: str) -> Path:
    """SEED-Data-Edit part 1 with these instructions; it says of none which kind of edit it is."""
    return seed_edit(folder, [{**SEED[n % len(SEED)], "instruction": text} for n, text in enumerate(texts)])


def test_where_a_source_names_no_operation_the_first_word_does_before_caps_count(tmp_path: Path) -> None:
    texts = ("add a dog", "Replace the cat with a dog", "please insert a dog", "replace it with a dog", "make it snow")
    seed = SeedEditPart1Config(path=str(from_seed(tmp_path, *texts)))
    (tmp_path / "sheet.csv").write_text("id,decision\n" + "".join(f"split_0001/{n},keep\n" for n in range(1, 6)))
    source = ReviewedConfig(path=f"{tmp_path}/sheet.csv", of=seed, caps={"add": 1, "replace": 1}).load()
    found = [(row.fields["operation"], row.fields["over_cap"]) for row in source.rows()][:5]
    assert found == [("add", False), ("replace", False), ("add", True), ("replace", True), ("", False)]


def test_a_benchmark_is_made_of_seeds_pairs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seed = from_seed(tmp_path, "add a dog to the image", "replace the cat with a dog", "make it snow")
    ids = [f"split_0001/{n}" for n in (1, 2, 3)] + ["split_0002/1"]
    (tmp_path / "sheet.csv").write_text("id,decision\n" + "".join(f"{id},keep\n" for id in ids))
    sets = (
        f"source.path={tmp_path}/sheet.csv",
        f"source.of={{kind: seed_edit_part1, path: {seed}}}",
        "source.caps.replace=1",
    )
    words = [word for each in sets for word in ("--set", each)]
    call("run", CONFIG, "--engine", "local", "--out", tmp_path / "out", "--no-report", *words, capfd=capfd)
    rows = ledger_rows(tmp_path / "out")
    assert [rows[id]["stage"] + "/" + rows[id]["reason"] for id in ids] == [
        "review_name/undecided",
        "review_name/undecided",
        "review_pair/other_operation",
        "review_pair/over_cap",
    ]
    assert rows[ids[2]]["detail"] == "neither its source nor its first word tells which kind it is"
    assert json.loads(rows[ids[0]]["fields"])["instruction"] == "add <imagehere> to <imagehere>"


def test_a_decision_about_no_pair_fails_by_name_with_the_nearest(tmp_path: Path) -> None:
    *_, last = reviewed(tmp_path, "id,decision\np00,keep\n")
    assert last.id == "%sheet-line2"
    assert "line 2: no pair has the id 'p00'; did you mean 'p0'?" in last.error


def test_faults_of_pairs_and_of_decisions_have_names_of_their_own(tmp_path: Path) -> None:
    path = pairs(tmp_path)
    path.write_text(f"{path.read_text().splitlines()[0]}\nnonsense\n")
    (tmp_path / "sheet.csv").write_text("id,decision\np9,keep\n")
    source = ReviewedConfig(path=f"{tmp_path}/sheet.csv", of=PairsConfig(path=str(path))).load()
    assert [row.id for row in source.rows()] == ["p0", "%line2", "%sheet-line2"]


def test_what_the_source_says_of_the_target_is_a_proposal(tmp_path: Path) -> None:
    row = reviewed(tmp_path, "id,decision\n")[0]
    assert row.fields["given_caption"] == "Shelf 0."
    assert "target_caption" not in row.fields


@given(st.text(max_size=20))
def test_text_of_the_data_is_no_formula_and_comes_back(text: str) -> None:
    cell = escape_formula(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    if not (text.startswith("'") and text[1:].startswith(("=", "+", "-", "@", "\t", "\r"))):
        assert unescape_formula(cell) == text


def test_a_sheet_where_no_filesystem_is_is_refused(tmp_path: Path) -> None:
    source = ReviewedConfig(path="s4://x/sheet.csv", of=PairsConfig(path=str(pairs(tmp_path)))).load()
    with pytest.raises(ConfigError, match="no filesystem has the scheme 's4'"):
        source.check()


def test_several_drivers_write_no_sheet_before_all_are_done(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(folder, capfd, "--slices", "1/2")
    assert not (folder / "sheet.csv").exists()
    run(folder, capfd, "--slices", "2/2")
    assert len(sheet(folder)) == 4


def test_a_sheet_that_is_not_there_decides_nothing(tmp_path: Path) -> None:
    assert read_decisions(f"{tmp_path}/none.csv") == {}


WRONG = {
    "id,decision\np0,maybe\n": "line 2: the decision is 'maybe'; write keep or drop, or nothing yet",
    "id,decision\np0,keep\np0,drop\n": "line 3: the id 'p0' stands on line 2 too",
    "id,desicion\np0,keep\n": "the column 'desicion' means nothing; did you mean 'decision'?",
    "id,decision,name\np0,keep,ok\n": "line 2: the name is 'ok', but nothing is proposed; write the name itself",
    "id,decision\n,keep\n": "line 2: the id is missing",
    "id,decision\np0\n": "line 2: has 1 cells, the first line has 2",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_sheet_that_is_filled_in_wrongly_is_told_with_its_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "sheet.csv").write_text(text)
    with pytest.raises(ConfigError) as found:
        read_decisions(f"{tmp_path}/sheet.csv")
    assert WRONG[text] in str(found.value)


def test_all_faults_of_a_sheet_are_told_at_once_but_not_endlessly(tmp_path: Path) -> None:
    (tmp_path / "sheet.csv").write_text("id,decision\n" + "".join(f"p{n},huh\n" for n in range(50)))
    with pytest.raises(ConfigError) as found:
        read_decisions(f"{tmp_path}/sheet.csv")
    assert len(str(found.value).splitlines()) == 21
    assert str(found.value).endswith("and 30 more")


@pytest.mark.parametrize("name", ["sheet.parquet", "sheet.txt"])
def test_a_sheet_that_nobody_can_fill_in_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.csv"):
        read_decisions(f"{tmp_path}/{name}")
