"""What is wrong with what cleans: rules of near duplicates, lists of benchmarks, licences."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from commands import call, refused

from datagen.core.errors import SetupError, StoreError
from datagen.execute.maintain.verify import verify

HASHED: list[Any] = [PAINT, {"use": "hash_picture", "map": {"image": "target", "picture_hash": "target_hash"}}]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("near_duplicates={any_of: [{target_hsh: 3}]}", "no stage writes a hash 'target_hsh', .* did you mean 'target_hash'"),
        ("near_duplicates={any_of: [{instruction: 3}]}", "no stage writes a hash 'instruction'"),
        ("near_duplicates={any_of: [{target_hash: 3}], keep: aesthetic}", "no stage writes a score 'aesthetic'"),
        ("near_duplicates={any_of: [{target_hash: 3}], same: [tusk]}", "no stage writes 'tusk', which is to be the same"),
        ("near_duplicates={any_of: []}", "at least 1"),
        ("near_duplicates={any_of: [{}]}", "at least 1"),
        ("near_duplicates={any_of: [{target_hash: -1}]}", "greater than or equal to 0"),
        ("near_duplicates={within: 3}", "any_of"),
        ("one_split={target: 3}", "no stage writes a hash 'target', which is to be compared"),
        ("one_split={target_hash: near}", "it has to be a whole number"),
    ],
)  # fmt: skip
def test_a_rule_of_near_duplicates_that_is_wrong_is_told_by_check(
    tmp_path: Path, setting: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, HASHED)
    error = refused("check", config, "--set", f"output.{setting}", capfd=capfd)
    assert re.search(message, error), error
    assert error.startswith("error: --set output.")


def test_a_rule_without_hashes_says_which_stage_makes_them(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [PAINT])
    error = refused("check", config, "--set", "output.one_split={target_hash: 3}", capfd=capfd)
    assert "there is none; add the stage `hash_picture`" in error


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("near_duplicates={any_of: [{target_hash: 12}]}", "'target_hash' within 12 bits, but hashes of 64 bits can be searched for up to 11; take fewer, or name another"),
        ("one_split={target_hash: 12}", "'target_hash' within 12 bits, but hashes of 64 bits can be searched for up to 11; take fewer"),
        ("near_duplicates={any_of: [{target_hash: 12, change_hash: 48, change_place: 48}]}", "'target_hash' within 12"),
    ],
)  # fmt: skip
def test_bits_that_are_too_many_are_told_by_check(
    tmp_path: Path, setting: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    stages = [*HASHED, {"use": "hash_change", "map": {"source": "target"}}]
    config = toy_config(tmp_path, stages)
    error = refused(
        "check",
        config,
        "--set",
        f"output.{setting}",
        "--set",
        "hash_picture.hasher={kind: phash, side: 8}",
        capfd=capfd,
    )
    assert message in error
    assert error.startswith("error: --set output.")


@pytest.mark.parametrize(
    "setting", ["near_duplicates={any_of: [{target_hash: 30, change_place: 47}]}", "one_split={target_hash: 11}"]
)
def test_one_field_of_a_rule_that_can_be_searched_for_is_enough(
    tmp_path: Path, setting: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, [*HASHED, {"use": "hash_change", "map": {"source": "target"}}])
    sets = ("--set", f"output.{setting}", "--set", "hash_picture.hasher={kind: phash, side: 8}")
    assert call("check", config, *sets, capfd=capfd).code == 0


def test_a_bound_that_the_hashes_cannot_reach_is_told_by_check(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, listing(tmp_path))
    assert call("check", config, "--set", "decontaminate.min_bits=128", capfd=capfd).code == 0
    error = refused("check", config, "--set", "decontaminate.min_bits=129", capfd=capfd)
    assert "'decontaminate' asks for 129 of the 256 bits that its hashes have" in error
    error = refused("check", config, "--set", "hash_picture.hasher={kind: phash, side: 8}", capfd=capfd)
    assert "'decontaminate' asks for 33 of the 64 bits" in error
    assert "toy.yaml:" in error


def test_bits_that_are_too_many_end_the_run_where_nobody_told_how_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near = {"near_duplicates": {"any_of": [{"target_hash": 200}]}}
    with monkeypatch.context() as silent:
        silent.setattr("stages.hash_picture.HashPicture.hash_bits", lambda config: {})
        graph = toy_graph(tmp_path, HASHED, output=near)
    with pytest.raises(
        StoreError, match="'target_hash' within 200 bits: hashes of 256 bits can be searched for up to 47; take fewer"
    ):
        run_local(graph, tmp_path / "out")
    near["near_duplicates"]["any_of"] = [{"target_hash": 20}]
    assert run_local(toy_graph(tmp_path, HASHED, output=near), tmp_path / "out").computed == 0
    assert verify(str(tmp_path / "out")) == []


WHOLE = json.dumps({"item": "a", "hash": f"phash256:{'00' * 32}"})


def listing(folder: Path, text: str = WHOLE) -> list[Any]:
    (folder / "list.jsonl").write_text(text)
    lists = [{"name": "bench", "path": str(folder / "list.jsonl")}]
    return [
        *HASHED,
        {"use": "decontaminate", "map": {"picture_hash": "target_hash"}, "with": {"lists": lists, "min_bits": 33}},
    ]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ("[]", "at least 1"),
        ("[{name: bench, path: no/list.jsonl}]", "there is no list of hashes no/list.jsonl; write one: python -m datagen hashes"),
        ("[{name: bench, path: tests}]", "tests cannot be read: Is a directory"),
        ("[{path: no/list.jsonl}]", "'with.lists.0.name' is missing"),
    ],
)  # fmt: skip
def test_a_list_that_is_not_there_is_told_by_check(
    tmp_path: Path, lists: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    config = toy_config(tmp_path, listing(tmp_path))
    error = refused("check", config, "--set", f"decontaminate.lists={lists}", capfd=capfd)
    assert message.removeprefix("'with.") in error or message in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "list.jsonl: the list 'bench' is empty; write it anew"),
        ('{"item": "a", "hash": "phash256:00"}', "list.jsonl:1: 'phash256:00' is no hash of a picture"),
        ("[1, 2", "list.jsonl:1: no line of JSON"),
    ],
)
def test_a_damaged_list_is_told_by_check_or_ends_the_run_before_any_record(
    tmp_path: Path, text: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    graph = toy_graph(tmp_path, listing(tmp_path))
    config = toy_config(tmp_path, listing(tmp_path, text))
    error = refused("check", config, capfd=capfd)
    assert re.match(rf"error: {config}:\d+: ", error)
    assert message in error
    with pytest.raises(SetupError, match="decontaminate") as ended:
        run_local(graph, tmp_path / "out")
    assert message in str(ended.value)


def test_a_list_by_another_hasher_is_told_by_check_or_fails_each_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stages = listing(tmp_path, '{"item": "a", "hash": "phash64:0123456789abcdef"}')
    error = refused("check", toy_config(tmp_path, stages), capfd=capfd)
    assert "'decontaminate' compares 'target_hash', which 'hash_picture' makes by phash256, with hashes that" in error
    assert "were made by phash64; make both with the same hasher" in error
    with monkeypatch.context() as silent:
        silent.setattr("stages.hash_picture.HashPicture.hash_makers", lambda config: {})
        graph = toy_graph(tmp_path, stages, rows=plain_rows(2))
    run_local(graph, tmp_path / "out")
    for row in ledger_rows(tmp_path / "out").values():
        assert (row["status"], row["stage"]) == ("failed", "decontaminate")
        assert "the picture's hash is phash256, those of list 'bench' are phash64" in row["detail"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--to", "{folder}"], "is a folder; give the name of a file"),
        (["--hasher", "{{kind: phsh}}"], "--hasher"),
        (["--hasher", "{{kind: phash, side: 9}}"], "--hasher"),
        (["--hasher", "{{"], "--hasher"),
        (["--hasher", "!!python/object:os.system x"], "--hasher"),
        (["--host", "http://x/"], "--host"),
    ],
)
def test_a_list_that_cannot_be_made_is_told(
    tmp_path: Path, words: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(folder=tmp_path) for word in words]
    error = refused(
        "hashes", tmp_path, *([] if "--to" in given else ["--to", tmp_path / "x.jsonl"]), *given, capfd=capfd
    )
    assert message in error
    assert not (tmp_path / "x.jsonl").exists()


def test_a_licence_that_is_no_standing_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [{"use": "filter_license"}, PAINT])
    error = refused("check", config, "--set", "filter_license.keep=[alowed]", capfd=capfd)
    assert "keep" in error
    assert "allowed" in error
