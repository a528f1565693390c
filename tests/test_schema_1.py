"""A dataset whose KEY.json and index are of schema 1, as `tests/schema_1` keeps one: whatever reads datasets reads it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from building import run_local
from commands import call
from conftest import ROOT
from finished import mixing

import datagen
from datagen import cli
from datagen.compare.diff import diff
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.report.page import write_report
from datagen.shards.index import SAMPLE_COLUMNS
from datagen.sources.webdataset import WebDatasetConfig

EARLIER = ROOT / "tests" / "schema_1"
COUNT = 6


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the dataset that may be changed, beside its pictures and its config."""
    shutil.copytree(EARLIER, tmp_path, dirs_exist_ok=True)
    return tmp_path / "small"


def _columns(out: Path) -> set[str]:
    return set(pq.read_schema(out / "index.parquet").names)


def _infos(out: Path) -> list[dict[str, Any]]:
    return [sample.info for sample in datagen.open(str(out))]


def test_it_is_of_schema_1() -> None:
    assert {info["schema"] for info in _infos(EARLIER / "small")} == {1}
    assert not _columns(EARLIER / "small") & set(SAMPLE_COLUMNS)


def test_it_opens_and_a_whole_sample_is_still_one_read() -> None:
    dataset = datagen.open(str(EARLIER / "small"))
    assert len(dataset) == COUNT
    for sample in dataset:
        assert sample.read_all() == {name: sample.read(name) for name in sample.members}
        assert all(set(each) == {"subject", "predicate", "object"} for each in sample.info["relations"])


def test_it_is_whole(old: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("verify", old, capfd=capfd).code == cli.OK


def test_a_damaged_shard_is_mended_byte_for_byte(old: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shard = old / "shards" / "train-000000.tar"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:3000] + b"?" + whole[3001:])
    assert call("verify", old, capfd=capfd).code == cli.BROKEN
    assert call("verify", old, "--repair", capfd=capfd).code == cli.OK
    assert shard.read_bytes() == whole
    assert not _columns(old) & set(SAMPLE_COLUMNS)
    assert call("verify", old, capfd=capfd).code == cli.OK


def test_a_run_into_it_writes_the_new_schema(
    old: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(old.parent)
    run_local(build(load(Path("small.yaml"))), old)
    assert {info["schema"] for info in _infos(old)} == {2}
    assert _columns(old) > set(SAMPLE_COLUMNS)
    assert call("verify", old, capfd=capfd).code == cli.OK


def test_a_mix_takes_it(old: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = load(ROOT / "configs" / "mix.yaml", sets=[mixing({"old": old})])
    assert run_local(build(config), tmp_path / "mix").counts.failed == 0
    infos = _infos(tmp_path / "mix")
    assert [info["schema"] for info in infos] == [2] * COUNT
    assert {each["subject_id"] for info in infos for each in info["relations"]} == {None}
    assert call("verify", tmp_path / "mix", capfd=capfd).code == cli.OK


def test_the_report_and_show_read_it(old: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written = write_report(str(old))
    assert (written.samples, written.notes) == (COUNT, ())
    result = call("show", old, "picture_0__1", "--to", tmp_path / "one.html", "--json", capfd=capfd)
    assert (result.code, result.data["sample"]["schema"]) == (cli.OK, 1)
    assert (tmp_path / "one.html").read_text().count("data:image/webp;base64,") == 3


def test_the_source_webdataset_reads_its_captions_and_objects(old: Path) -> None:
    config = WebDatasetConfig(path=f"{old}/shards/*.tar", image="target.png")
    rows = list(config.load().rows())
    assert len(rows) == COUNT
    assert all([thing["label"] for thing in row.fields["objects"]] == LABELS for row in rows)


LABELS = ["muffin", "muffin", "box", "crumb"]


def test_it_differs_from_itself_in_nothing(old: Path, tmp_path: Path) -> None:
    other = shutil.copytree(old, tmp_path / "other")
    found = diff(str(old), str(other))
    assert (found.kept, found.transitions) == (COUNT, [])
