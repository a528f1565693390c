"""Captions, panels and sheets that are not as they should be: told in a line, or failed alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from building import ledger_rows
from commands import call, refused
from foreign_generation import TAGGED, blip3, pair, pairs, subjects200k

from datagen.cli import OK, SOME_FAILED

GENERATION = "configs/subject_generation.yaml"
PANELS = "configs/subject_generation_subjects200k.yaml"
BENCH = "configs/mige_bench.yaml"


def run(config: str, folder: Path, *sets: str, capfd: pytest.CaptureFixture[str]) -> Any:
    lines = [word for text in sets for word in ("-s", text)]
    return call("run", config, "--engine", "local", "--out", folder / "out", "--no-report", *lines, capfd=capfd)


def bench(folder: Path, sheet: str) -> tuple[str, ...]:
    """Options over pairs in a folder, and its sheet."""
    (folder / "sheet.csv").write_text(sheet)
    return f"source.path={folder}/sheet.csv", f"source.of.path={pairs(folder)}"


def test_pictures_on_the_web_fail_where_no_host_is_allowed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    sets = ("source.kind=blip3_grounding", f"source.path={blip3(tmp_path / 'data', [[[TAGGED]]])}")
    assert run(GENERATION, tmp_path, *sets, capfd=capfd).code == SOME_FAILED
    assert "'https'" in ledger_rows(tmp_path / "out")["u0"]["detail"]


def test_captions_that_are_code_are_never_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = blip3(tmp_path / "data", [f"__import__('pathlib').Path('{tmp_path}/pwned').touch()", "[" * 9000])
    run(GENERATION, tmp_path, "source.kind=blip3_grounding", f"source.path={path}", capfd=capfd)
    assert {row["status"] for row in ledger_rows(tmp_path / "out").values()} == {"failed"}
    assert not (tmp_path / "pwned").exists()


def test_a_caption_with_the_placeholder_in_it_fails_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [json.loads(line) for line in Path("manifests/demo.jsonl").read_text().splitlines()][:2]
    rows[0]["caption"] = "A rocket, <imagehere>, stands."
    (tmp_path / "m.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert run(GENERATION, tmp_path, f"source.path={tmp_path}/m.jsonl", capfd=capfd).code == SOME_FAILED
    found = ledger_rows(tmp_path / "out")
    assert found["rocket"]["detail"] == "the caption holds <imagehere> itself"
    assert found["coffee"]["status"] == "expanded"


def test_a_picture_that_is_not_of_two_panels_fails_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = subjects200k(tmp_path / "data", [pair(1), pair(2, image={"bytes": b"no picture", "path": None})])
    assert run(PANELS, tmp_path, f"source.path={path}", capfd=capfd).code == SOME_FAILED
    found = sorted(row["detail"] for row in ledger_rows(tmp_path / "out").values())
    assert "the picture is 5x5" in " ".join(found)
    assert "not a picture that can be read" in " ".join(found)


def test_another_dataset_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refused("check", PANELS, "-s", f"source.path={blip3(tmp_path)}", capfd=capfd)
    assert "there is no column 'collection'" in message
    assert "this is another dataset than `kind` says" in message


def test_a_sheet_that_is_filled_in_wrongly_is_refused_with_its_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sets = [word for text in bench(tmp_path, "id,decision,name\np0,maybe,\np1,,ok\n") for word in ("-s", text)]
    message = refused("check", BENCH, *sets, capfd=capfd)
    assert f"{tmp_path}/sheet.csv: line 2: the decision is 'maybe'; write keep or drop, or nothing yet" in message
    assert f"{tmp_path}/sheet.csv: line 3: the name is 'ok', but nothing is proposed" in message


def test_a_decision_about_no_pair_fails_by_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    result = run(BENCH, tmp_path, *bench(tmp_path, "id,decision\np00,drop\n"), capfd=capfd)
    assert result.code == SOME_FAILED
    assert "no pair has the id 'p00'; did you mean 'p0'?" in ledger_rows(tmp_path / "out")["%sheet-line2"]["detail"]


def test_a_sheet_that_cannot_be_written_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    sets = (f"source.path={tmp_path}/file/sheet.csv", f"source.of.path={pairs(tmp_path)}")
    result = run(BENCH, tmp_path, *sets, capfd=capfd)
    assert result.code != OK
    assert f"{tmp_path}/file/sheet.csv: " in result.err
