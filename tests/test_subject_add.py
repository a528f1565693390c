"""The demo from end to end: real photographs in, a whole dataset out, the same bytes from both engines."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import webdataset
from building import dataset_bytes, ledger_rows
from conftest import Demo

import datagen

pytestmark = [pytest.mark.ray, pytest.mark.subprocess]

OUTCOMES = Path(__file__).parent / "demo_outcomes.json"


@pytest.fixture(scope="session")
def samples(demo: Demo) -> list[datagen.shards.reader.Sample]:
    return list(datagen.open(str(demo.out)))


def test_each_object_ends_as_it_should(demo: Demo) -> None:
    """What was seen by looking at every removal: which look right, and which the checks have to reject."""
    ends = {
        id: row["status"] if row["status"] == "accepted" else f"{row['stage']}/{row['reason']}"
        for id, row in ledger_rows(demo.out).items()
        if row["status"] in ("accepted", "rejected", "failed")
    }
    assert ends == json.loads(OUTCOMES.read_text())


def test_the_dataset_is_of_some_size(samples: list[datagen.shards.reader.Sample], demo: Demo) -> None:
    pictures = {sample.info["source"]["uri"] for sample in samples}
    assert len(samples) >= 10
    assert len(pictures) >= 5
    assert any("coins" in uri for uri in pictures)
    counts = {row["reason"] for row in ledger_rows(demo.out).values() if row["status"] == "rejected"}
    assert len(counts) >= 3, "several checks did their work"


def test_source_and_target_differ_in_the_hole_alone(samples: list[datagen.shards.reader.Sample]) -> None:
    """By the stored masks as they are: mask_0.png is what the edit changes, mask_1.png the subject."""
    for sample in samples:
        hole, subject = (mask > 0 for mask in sample.masks)
        changed = (sample.source != sample.target).any(axis=-1)
        assert sample.info["edits"][0]["mask"] == "mask_0.png"
        assert not (changed & ~hole).any()
        assert not (subject & ~hole).any()
        assert changed[subject].mean() > 0.5, "the subject is gone"


def test_the_reference_shows_the_subject_on_white(samples: list[datagen.shards.reader.Sample]) -> None:
    for sample in samples:
        (reference,) = sample.refs
        assert (reference[0, 0] == 255).all()
        assert (reference != 255).any()


def test_instructions_are_in_the_papers_form(samples: list[datagen.shards.reader.Sample]) -> None:
    for sample in samples:
        assert sample.instruction.startswith("Add <imagehere> to the ")
        assert sample.instruction.count("<imagehere>") == 2
        assert " of <imagehere>" in sample.instruction
        assert sample.info["inputs"] == ["ref_0.png", "source.png"]
        assert "<imagehere>" not in sample.info["text"]
        assert sample.info["subject"] in sample.info["text"]


def test_every_sample_has_its_history(samples: list[datagen.shards.reader.Sample]) -> None:
    for sample in samples:
        info = sample.info
        assert info["license"]
        assert len(info["source"]["sha256"]) == 64
        assert {score["name"] for score in info["scores"]} >= {"sharpness", "foreground_ratio", "seam"}
        assert all(score["by"] for score in info["scores"])
        assert "aesthetic score above 5" in info["unchecked"]
        assert info["unchecked"]


def test_no_path_of_the_machine_is_in_the_dataset(demo: Demo) -> None:
    place = str(demo.folder).encode()
    for name, data in dataset_bytes(demo.out).items():
        assert place not in data, name
        assert b"site-packages" not in data, name


def test_both_engines_give_the_same_bytes(demo: Demo) -> None:
    done = demo.call(
        "python", "-m", "datagen", "run", "configs/subject_add.yaml", "--engine", "local", "--out", "out/local"
    )
    assert done.returncode == 0, done.stderr
    assert dataset_bytes(demo.folder / "out" / "local") == dataset_bytes(demo.out)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # webdataset leaves closing to the collector
def test_webdataset_reads_it(demo: Demo, samples: list[datagen.shards.reader.Sample]) -> None:
    shards = sorted(str(path) for path in (demo.out / "shards").glob("*.tar"))
    read = {one["__key__"]: one for one in webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8")}
    assert set(read) == {sample.key for sample in samples}
    for sample in samples:
        assert np.array_equal(read[sample.key]["source.png"], sample.source)
        assert read[sample.key]["json"] == sample.info


def test_datasets_reads_it(demo: Demo, samples: list[datagen.shards.reader.Sample], tmp_path: Path) -> None:
    loaded = datasets.load_dataset(str(demo.out), cache_dir=str(tmp_path))
    rows = {row["__key__"]: row for split in loaded.values() for row in split}
    assert set(rows) == {sample.key for sample in samples}
    for sample in samples:
        assert np.array_equal(np.asarray(rows[sample.key]["target.png"]), sample.target)
        assert rows[sample.key]["json"]["instruction"] == sample.instruction


def test_a_picture_that_is_gone_fails_alone(demo: Demo) -> None:
    rows = [json.loads(line) for line in (demo.folder / "manifests" / "demo.jsonl").read_text().splitlines()]
    hurt = [
        {**rows[0], "id": "gone", "uri": "package://skimage/data/gone.png"},
        {**rows[0], "id": "other", "sha256": "0" * 64},
    ]
    (demo.folder / "hurt.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [rows[0], *hurt]))
    words = ("--set", "source.path=hurt.jsonl", "--engine", "local", "--out", "out/hurt")
    done = demo.call("python", "-m", "datagen", "run", "configs/subject_add.yaml", *words)
    assert done.returncode == 3
    found = ledger_rows(demo.folder / "out" / "hurt")
    assert {id for id, row in found.items() if row["status"] == "failed"} == {"gone", "other"}
    assert found["gone"]["detail"] == "package://skimage/data/gone.png: there is no such file"
    assert "its checksum is " in found["other"]["detail"]
    assert any(row["status"] == "accepted" for row in found.values())


def test_a_finished_run_does_not_start_ray(demo: Demo) -> None:
    assert "Ray dashboard: http://127.0.0.1:" in demo.text
    before = dataset_bytes(demo.out)
    again = demo.call("python", "-m", "datagen", "run", "configs/subject_add.yaml")
    assert "7 of 7 slices were done before" in again.stdout
    assert "Ray dashboard" not in again.stdout
    assert dataset_bytes(demo.out) == before
