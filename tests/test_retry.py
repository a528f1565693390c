"""`retry` runs failed records again, and only those; what comes out is as if they had never failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from building import PAINT, Quiet, dataset_bytes, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from commands import call

from datagen.cli import OK, SOME_FAILED
from datagen.core.errors import StoreError
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, run, stored_config
from datagen.pipeline.graph import build

FAN = {"use": "fan_out", "with": {"most": 4}}


def _rows(number: int) -> list[dict[str, Any]]:
    rows = plain_rows(number)
    for index in (1, 4, 5):
        rows[index]["caption"] = f"dud{index}"
    return rows


def _came_by(folder: Path) -> list[str]:
    log = folder / "came_by"
    found = log.read_text().split() if log.exists() else []
    log.unlink(missing_ok=True)
    return found


@pytest.mark.parametrize("before", [[], [FAN], [{"use": "sift"}, FAN]], ids=["plain", "children", "filtered"])
def test_only_what_failed_is_run_again(tmp_path: Path, before: list[Any]) -> None:
    flaky = {"use": "flaky", "with": {"folder": str(tmp_path)}}
    graph = toy_graph(tmp_path, [*before, flaky, PAINT], rows=_rows(8))
    out = tmp_path / "out"
    run_local(graph, out)
    failed = sorted(id for id, row in ledger_rows(out).items() if row["status"] == "failed")
    assert failed
    _came_by(tmp_path)
    (tmp_path / "mended").touch()
    again = build(stored_config(str(out)))
    assert run(again, out=str(out), options=RunOptions("local", retry=True), watcher=Quiet()).counts.failed == 0
    assert sorted(_came_by(tmp_path)) == failed
    assert verify(str(out)) == []
    assert {ledger_rows(out)[id]["attempts"] for id in failed} == {2}
    run_local(graph, tmp_path / "fresh")
    assert dataset_bytes(out) == dataset_bytes(tmp_path / "fresh")
    _came_by(tmp_path)
    run(again, out=str(out), options=RunOptions("local", retry=True), watcher=Quiet())
    assert _came_by(tmp_path) == [], "nothing failed any more"


def test_a_group_whose_member_failed_is_combined_anew(tmp_path: Path) -> None:
    flaky = {"use": "flaky", "with": {"folder": str(tmp_path)}}
    graph = toy_graph(tmp_path, [FAN, flaky, {"use": "gather"}, PAINT], rows=_rows(8))
    out = tmp_path / "out"
    run_local(graph, out)
    assert any(row["status"] == "failed" for row in ledger_rows(out).values())
    (tmp_path / "mended").touch()
    _came_by(tmp_path)
    run(build(stored_config(str(out))), out=str(out), options=RunOptions("local", retry=True), watcher=Quiet())
    assert {id.partition("#")[0] for id in _came_by(tmp_path)} <= {"r1", "r4", "r5"}
    assert verify(str(out)) == []
    run_local(graph, tmp_path / "fresh")
    assert dataset_bytes(out) == dataset_bytes(tmp_path / "fresh")


def test_records_that_fail_again_stay_failed_and_count_their_attempts(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "flaky", "with": {"folder": str(tmp_path)}}, PAINT], rows=_rows(8))
    out = tmp_path / "out"
    run_local(graph, out)
    for attempts in (2, 3):
        summary = run(graph, out=str(out), options=RunOptions("local", retry=True), watcher=Quiet())
        assert (summary.counts.failed, summary.counts.accepted) == (3, 5)
        assert ledger_rows(out)["r4"]["attempts"] == attempts
    assert verify(str(out)) == []


def test_there_is_nothing_to_retry_where_nothing_ran(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"holds no run of datagen, run/config\.yaml is missing"):
        stored_config(str(tmp_path))


def test_what_a_run_was_limited_to_holds_for_its_retry(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = toy_config(tmp_path, [{"use": "flaky", "with": {"folder": str(tmp_path)}}, PAINT], rows=_rows(8))
    out = tmp_path / "out"
    assert call("run", config, "--engine", "local", "--limit", 3, "--out", out, capfd=capfd).code == SOME_FAILED
    (tmp_path / "mended").touch()
    assert call("retry", out, "--engine", "local", capfd=capfd).code == OK
    assert {id: row["status"] for id, row in ledger_rows(out).items()} == dict.fromkeys(("r0", "r1", "r2"), "accepted")
