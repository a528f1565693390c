"""Pictures of a benchmark are kept out, whatever happened to them, and the rejection says which."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from photographs import NAMES, cropped, jpeg, photograph, resized
from pydantic import ValidationError

from datagen.core.record import Record
from datagen.core.stage import Answer, Failed, Reject
from datagen.imaging.image import Pixels
from datagen.models.base import models_in
from datagen.models.hashers.phash import PhashConfig
from stages.decontaminate import Decontaminate


def listed(path: Path, *names: str, side: Any = 16) -> Path:
    hasher = PhashConfig(side=side).load("cpu")
    rows = [json.dumps({"item": name, "hash": hasher([photograph(name)])[0]}) for name in names]
    path.write_text("\n".join(rows) + "\n")
    return path


def config(*paths: Path, **options: Any) -> Decontaminate.Config:
    lists = [{"name": path.stem, "path": str(path)} for path in paths]
    return Decontaminate.Config.model_validate({"lists": lists, "min_bits": 33, **options})


def judged(options: Decontaminate.Config, *pictures: Pixels, side: Any = 16) -> list[Answer]:
    stage = Decontaminate(options)
    stage.setup("cpu")
    texts = PhashConfig(side=side).load("cpu")(pictures)
    return stage.process([Record(str(n), {"picture_hash": text}) for n, text in enumerate(texts)])


def test_copies_are_rejected_by_list_and_item(tmp_path: Path) -> None:
    options = config(listed(tmp_path / "mige.jsonl", "coffee", "rocket"), listed(tmp_path / "emu.jsonl", "chelsea"))
    cat = photograph("chelsea")
    answers = judged(
        options, jpeg(cat, 40), resized(cat, 0.5), cropped(cat, 0.01), photograph("rocket"), photograph("astronaut")
    )
    assert [answer.reason for answer in answers[:4] if isinstance(answer, Reject)] == ["in_benchmark"] * 4
    assert [answer.detail.partition(",")[0] for answer in answers[:4] if isinstance(answer, Reject)] == [
        *["'chelsea' of 'emu'"] * 3,
        "'rocket' of 'mige'",
    ]
    assert isinstance(answers[3], Reject)
    assert answers[3].fields == {"benchmark_distance": 0}
    assert isinstance(answers[4], dict)
    assert answers[4]["benchmark_distance"] > 90


def test_the_bound_is_an_option(tmp_path: Path) -> None:
    path = listed(tmp_path / "all.jsonl", *NAMES)
    assert isinstance(judged(config(path, min_bits=1), photograph("coffee"))[0], Reject)
    assert isinstance(judged(config(path, min_bits=1), cropped(photograph("coffee"), 0.03))[0], dict)


def test_a_bound_that_the_hashes_cannot_reach_fails_the_record(tmp_path: Path) -> None:
    """Unrelated pictures differ in half of the bits: 33 of 64 would call nearly all of them the benchmark's."""
    path = listed(tmp_path / "short.jsonl", "coffee", side=8)
    [answer] = judged(config(path, min_bits=33), photograph("rocket"), side=8)
    assert isinstance(answer, Failed)
    assert answer.error.startswith(
        "`min_bits` is 33, but unrelated pictures differ in some 32 of the 64 bits of phash64"
    )
    copy, other = judged(config(path, min_bits=9), jpeg(photograph("coffee"), 60), photograph("rocket"), side=8)
    assert isinstance(copy, Reject)
    assert isinstance(other, dict)
    with pytest.raises(ValidationError, match="min_bits"):
        Decontaminate.Config.model_validate({"lists": [{"name": "short", "path": str(path)}]})


def test_another_list_is_another_stage(tmp_path: Path) -> None:
    path = listed(tmp_path / "list.jsonl", "coffee")
    before = [model.revision for model in models_in(config(path))]
    listed(path, "coffee", "rocket")
    assert [model.revision for model in models_in(config(path))] != before
    assert before[0].startswith("file@1:list@")


def test_hashes_of_another_kind_fail_the_record(tmp_path: Path) -> None:
    [answer] = judged(config(listed(tmp_path / "short.jsonl", "coffee", side=8)), photograph("coffee"))
    assert isinstance(answer, Failed)
    assert answer.error == (
        "the picture's hash is phash256, those of list 'short' are phash64; make both with the same hasher"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{", "no line of JSON"),
        ("[]", "no line of JSON"),
        ('{"item": "a"}', "no line of JSON"),
        ('{"item": "a", "hash": 3}', "no line of JSON"),
        ('{"item": "a", "hash": "abc"}', "'abc' is no hash of a picture"),
        ("\xff", "no line of JSON"),
    ],
)
def test_a_damaged_list_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.jsonl"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ValidationError, match=message) as error:
        config(path)
    assert str(path) in str(error.value)
    assert "python -m datagen hashes" in str(error.value)


def test_a_missing_list_is_told_by_check(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"there is no list of hashes .*python -m datagen hashes FOLDER"):
        config(tmp_path / "none.jsonl")
    with pytest.raises(ValidationError, match="cannot be read"):
        config(tmp_path)
    with pytest.raises(ValidationError, match="at least 1"):
        config()
