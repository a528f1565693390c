"""Datasets of edits that are not what the config says, and mixes that cannot be: told in a line, or failed alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from building import ledger_rows, run_local
from commands import call, refused
from finished import finished, mixing
from foreign_edits import hq_edit, ip2p_folders, magicbrush_parquet
from picture_files import noise, saved

import datagen
from datagen.cli import OK, SOME_FAILED
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from stages.add_placeholder import AddPlaceholder

EDITS = "configs/instruct_edit.yaml"
MIX = "configs/mix.yaml"


def test_another_dataset_than_the_kind_says(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    hq_edit(tmp_path)
    sets = ("-s", "source.kind=ultraedit", "-s", f"source.path={tmp_path}")
    message = refused("check", EDITS, *sets, capfd=capfd)
    assert f"{tmp_path}/data/train-00000-of-00001.parquet: there is no column 'source_image'" in message
    assert "this is another dataset than `kind` says" in message
    message = refused("check", EDITS, "-s", "source.form=folders", "-s", f"source.path={tmp_path}", capfd=capfd)
    assert "holds no folder with prompt.json and pairs such as 123_0.jpg, 123_1.jpg" in message


def test_a_field_by_which_nothing_can_stay_together(some: Path, capfd: pytest.CaptureFixture[str]) -> None:
    message = refused("check", EDITS, "-s", "output.together=[sesion]", capfd=capfd)
    assert "there is no text 'sesion', by which samples are to stay together; did you mean 'session'?" in message
    message = refused("check", MIX, "-s", "output.split_from=split", "-s", mixing({"a": some}), capfd=capfd)
    assert "there is no text 'split' to split by; known: " in message
    assert "'turn'" in refused("check", EDITS, "-s", "output.together=[turn]", capfd=capfd)


def test_half_a_pair_and_a_broken_prompt_fail_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = ip2p_folders(tmp_path / "data")
    (data / "0000001" / "12_1.jpg").unlink()
    (data / "0000002" / "prompt.json").write_text('{"input": "a lake"}')
    result = call(
        "run", EDITS, "-s", f"source.path={data}", "--engine", "local", "--out", tmp_path / "out", capfd=capfd
    )
    assert result.code == SOME_FAILED
    failed = {id: row["detail"] for id, row in ledger_rows(tmp_path / "out").items() if row["status"] == "failed"}
    assert failed == {
        "0000001/12": "0000001/12_1.jpg: there is no such file",
        "0000002/21": f"{data}/0000002/prompt.json: has no key 'edit'; it has: input",
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("?!", "no_words"),
        ("the image", "no_words"),
        ("put <imagehere> on <imagehere>", "several_placeholders"),
        ("Füge einen Hund hinzu", "not_english"),
        ("把猫换成一只老虎", "not_english"),
    ],
)
def test_a_text_that_is_no_instruction_is_rejected(text: str, reason: str) -> None:
    record = datagen.Record("a", {"text": text, "reach": "", "operation": "", "source_caption": ""})
    [answer] = AddPlaceholder(AddPlaceholder.Config()).process([record])
    assert isinstance(answer, datagen.Reject)
    assert answer.reason == reason


def test_a_text_that_has_the_placeholder_is_stored_once(tmp_path: Path) -> None:
    data = ip2p_folders(tmp_path / "data")
    (data / "0000002" / "prompt.json").write_text('{"edit": "Put snow on <imagehere>"}')
    for side in (0, 1):
        (data / "0000002" / f"21_{side}.jpg").write_bytes(saved(noise(9, 9 + side), "JPEG"))
    run_local(build(load(Path(EDITS), sets=[f"source.path={data}"])), tmp_path / "out")
    [info] = [sample.info for sample in datagen.open(str(tmp_path / "out")) if sample.info["id"] == "0000002/21"]
    assert (info["instruction"], info["text"]) == ("Put snow on <imagehere>", "")


def test_turns_that_are_torn_apart_fail_where_their_session_is_closed(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    magicbrush_parquet(tmp_path / "data")
    [path] = (tmp_path / "data" / "data").iterdir()
    pq.write_table(pq.read_table(path).take([0, 2, 1]), path)
    sets = ["source.kind=magicbrush", f"source.path={tmp_path}/data", "slice_size=1"]
    run_local(build(load(Path(EDITS), sets=sets)), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert [row["status"] for _, row in sorted(rows.items())] == ["accepted", "failed", "accepted"]
    assert rows["242679/2"]["detail"] == "its session '242679' was closed by other rows; put equal ones together"


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("some") / "out", limit=4)


def test_a_dataset_that_is_not_there_or_not_finished(
    some: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = Path(MIX).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "name: edit" in text)
    config = tmp_path / "mix.yaml"
    config.write_text(Path(MIX).read_text().replace("out/", f"{some.parent}/").replace("instruct_edit", "gone"))
    for name in ("subject_add", "subject_replace", "subject_generation"):
        shutil.copytree(some, some.parent / name, dirs_exist_ok=True)
    message = refused("check", config, capfd=capfd)
    assert f"{config}:{line}: {some.parent}/gone does not exist" in message, "the line of that dataset"
    message = refused("check", MIX, "-s", mixing({"add": tmp_path / "none"}), capfd=capfd)
    assert (
        f"{tmp_path}/none does not exist; a mix is made of finished datasets: run what makes this one first" in message
    )
    half = shutil.copytree(some, tmp_path / "half")
    (half / "dataset.json").unlink()
    message = refused("check", MIX, "-s", mixing({"add": half}), capfd=capfd)
    assert "holds no finished dataset, dataset.json is missing: run the pipeline into it again" in message
    (half / "dataset.json").write_text("{}")
    assert "has format None, this datagen reads 1" in refused("check", MIX, "-s", mixing({"add": half}), capfd=capfd)
    shutil.copy(some / "dataset.json", half)
    (half / "index.parquet").write_bytes(b"PAR1")
    result = call("run", MIX, "-s", mixing({"add": half}), "--engine", "local", "--out", tmp_path / "out", capfd=capfd)
    assert "index.parquet is damaged" in result.err
    assert "'add' cannot be mixed" in result.err
    assert result.code not in (OK, SOME_FAILED)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": 0}, "'source.datasets.0.weight' is 0: input should be greater than 0"),
        ({"weight": -1}, "'source.datasets.0.weight' is -1: input should be greater than 0"),
        ({"cap": 0}, "'source.datasets.0.cap' is 0: input should be greater than or equal to 1"),
        ({"repeats": 0}, "'source.datasets.0.repeats' is 0: input should be greater than or equal to 1"),
        ({"split": "test"}, "'source.datasets.0.split' is 'test'; known: train, val"),
        ({"waight": 1}, "unknown key 'source.datasets.0.waight'; did you mean 'weight'?"),
    ],
)
def test_a_mix_that_makes_no_sense(
    some: Path, options: dict[str, object], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    found = refused("check", MIX, "-s", mixing({"add": some}, add=options), capfd=capfd)
    assert message in found


def test_two_datasets_of_one_name_or_place(some: Path, capfd: pytest.CaptureFixture[str]) -> None:
    twice = f"source.datasets=[{{name: a, path: {some}}}, {{name: a, path: {some}2}}]"
    message = refused("check", MIX, "-s", twice, capfd=capfd)
    assert message == (
        f"error: --set {twice}: 'source.datasets': two datasets have the name 'a'; to take samples twice, use `repeats`\n"
    )
    place = mixing({"a": some, "b": some})
    message = refused("check", MIX, "-s", place, capfd=capfd)
    assert f"two datasets have the path '{some}'; to take samples twice, use `repeats`" in message


def test_a_sample_that_rotted_fails_alone(some: Path, tmp_path: Path) -> None:
    rotten = shutil.copytree(some, tmp_path / "rotten")
    shard = rotten / "shards" / "train-000000.tar"
    shard.write_bytes(shard.read_bytes().replace(b"IEND", b"IEMD", 1))
    summary = run_local(build(load(Path(MIX), sets=[mixing({"add": rotten})])), tmp_path / "out")
    assert summary.counts.failed == 1
    assert summary.counts.accepted == 3
    [rows] = [row["detail"] for row in ledger_rows(tmp_path / "out").values() if row["status"] == "failed"]
    assert "the picture is damaged" in rows


def test_what_this_version_does_not_carry_fails_by_name(some: Path, tmp_path: Path) -> None:
    from stages.read_sample import ReadSample

    members = {"json": "x", "target.png": "y", "audio_0.flac": "z"}
    record = datagen.Record("a", {"members": members, "base": f"{some}/", "mix_says": "taken"})
    [answer] = ReadSample(ReadSample.Config()).process([record])
    assert isinstance(answer, datagen.Failed)
    assert answer.error == f"{some}/: the sample has members that are not carried: audio_0.flac"
    assert json.loads((some / "dataset.json").read_text())["format"] == 1
