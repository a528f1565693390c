"""What is wrong with configs of subject pipelines, and with the pairs that they read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from building import ledger_rows
from commands import call, refused
from foreign_pairs import lines, seed_edit, viton_hd

from datagen.cli import SOME_FAILED

ADD, REPLACE = "configs/subject_add.yaml", "configs/subject_replace.yaml"


@pytest.mark.parametrize(
    ("config", "sets", "message"),
    [
        (ADD, "check_completeness.judge={kind: vlm}", "'judge'"),
        (ADD, "check_completeness.judge={kind: language}", "'judge.model' is missing"),
        (
            ADD,
            "name_subject.namer={kind: language, prompt: name_subjects, model: {model: m}}",
            "did you mean 'name_subject'",
        ),
        (REPLACE, "extract_subject.source_phrase=in the picture", "it has to have one <imagehere>"),
        (REPLACE, "check_main_subject.judge.also=[Coin]", "it has to be text of the form ^[a-z]+$"),
        (REPLACE, "filter_operation.verbs=[]", "it has to be a list of at least 1"),
        (REPLACE, "source.path=manifests/gone.jsonl", "manifests/gone.jsonl: there is no such"),
        (REPLACE, "source.path=manifests/demo.jsonl", "the column 'target_uri' is missing"),
    ],
)
def test_a_config_of_subjects_that_is_wrong(
    config: str, sets: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert message in refused("check", config, "--set", sets, capfd=capfd)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "`source: photograph` needs `results`, the folder of what a try-on model made"),
        ({"results": "made"}, "made/: there is no such folder or file"),
        ({"results": "result", "pairs": "gone.txt"}, "gone.txt: there is no such"),
        ({"results": "a/b"}, "it has to be text of the form"),
        ({"source": "agnostic", "agnostic": "agnostic"}, "agnostic/: there is no such folder or file"),
    ],
)
def test_a_try_on_source_that_is_wrong(
    tmp_path: Path, options: dict[str, str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = viton_hd(tmp_path)
    source = {"kind": "try_on", "layout": "viton_hd", "path": folder, "pairs": f"{tmp_path}/test_pairs.txt", **options}
    words = [word for key, value in source.items() for word in ("--set", f"source.{key}={value}")]
    assert message in refused("check", REPLACE, *words, capfd=capfd)


def test_a_seed_edit_source_that_is_wrong(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("--set", "source.kind=seed_edit_part1", "--set", f"source.path={seed_edit(tmp_path)}")
    message = refused("check", REPLACE, *words, "--set", "source.score_key=clip_score", capfd=capfd)
    assert "line 1 has no key 'clip_score' (`score_key`; '' reads none)" in message
    assert "it has: source_image, source_caption, target_image, target_caption, instruction, match_score" in message


def test_a_match_score_that_no_record_has_is_told_by_check(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("--set", "source.kind=seed_edit_part1", "--set", f"source.path={seed_edit(tmp_path)}")
    assert call("check", REPLACE, *words, capfd=capfd).code == 0
    unscored = (*words, "--set", "source.score_key=''")
    message = refused("check", REPLACE, *unscored, "--profile", "api", capfd=capfd)
    assert "'filter_annotated_match' judges by 'annotated_match', but neither the source (seed_edit_part1)" in message
    assert "name the stage in `leaves_out` of profile 'api'" in message
    assert re.match(rf"error: {REPLACE}:\d+: ", message)
    left = "profiles.api.leaves_out=[filter_annotated_match, filter_aesthetic, ground_subject]"
    assert call("check", REPLACE, *unscored, "--profile", "api", "--set", left, capfd=capfd).code == 0


def test_pairs_that_cannot_be_used_end_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = Path("manifests/pairs.jsonl").resolve()
    rows = {row["id"]: row for row in map(json.loads, whole.read_text().splitlines())}

    def pair(id: str, **other: Any) -> dict[str, Any]:
        row = {**rows["coin"], "id": id}
        places = {key: f"{whole.parent}/{row[key]}" for key in ("uri", "target_uri")}
        return {**row, **places, **other}

    wrong = [
        pair("sound"),
        pair("gone", target_uri="gone.png"),
        pair("changed", target_sha256="0" * 64),
        pair("vague", text="replace the coin with something else"),
        pair(
            "vague-garment",
            text="replace the coin with something else",
            reference_uri=f"{whole.parent}/{rows['coin']['uri']}",
        ),
        pair("unnamed", objects=[]),
        pair("other-shape", uri=f"{whole.parent}/{rows['tower']['uri']}"),
    ]
    (tmp_path / "pairs.jsonl").write_text(lines(wrong))
    words = ("--set", f"source.path={tmp_path}/pairs.jsonl", "--engine", "local", "--out", tmp_path / "out")
    assert call("run", REPLACE, *words, capfd=capfd).code == SOME_FAILED
    ends = {id: (row["status"], row["stage"], row["reason"]) for id, row in ledger_rows(tmp_path / "out").items()}
    assert ends == {
        "sound": ("accepted", "", ""),
        "gone": ("failed", "read_target", "error"),
        "changed": ("failed", "read_target", "error"),
        "vague": ("rejected", "check_main_subject", "not_main_subject"),
        "vague-garment": ("rejected", "extract_subject", "unclear"),
        "unnamed": ("rejected", "choose_subject", "no_subject"),
        "other-shape": ("rejected", "describe_replacement", "shapes_differ"),
    }
    values = {id: row["detail"] for id, row in ledger_rows(tmp_path / "out").items()}
    assert values["gone"] == "gone.png: there is no such file"
    assert "the manifest says 000" in values["changed"]
    assert values["vague"] == "what is replaced cannot be told by rules"
    assert values["vague-garment"] == "no single new subject can be told from 'replace the coin with something else'"
    assert values["unnamed"].startswith("nothing is annotated that could be called 'larger coin'; where a source")
    assert "`ask_boxes` before this stage" in values["unnamed"]
