"""`status`: a run that goes on, was broken off or is finished, told without touching it."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from building import PAINT, Quiet, plain_rows, run_local, toy_config, toy_graph
from commands import call

from datagen import cli
from datagen.core.errors import StoreError
from datagen.execute.inspect.status import Status, status
from datagen.execute.ledger import ledger as ledger_module
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.lock import locked
from datagen.execute.ledger.partitions import Partition
from datagen.execute.run import RunOptions, run
from datagen.progress.status_text import status_lines
from datagen.storage.store import Store

MIXED = [{"use": "sift"}, {"use": "fan_out"}, {"use": "gather"}, {"use": "blow_up"}, PAINT]


def _rows(number: int = 20) -> list[dict[str, Any]]:
    rows = plain_rows(number)
    rows[2]["caption"] = "bomb"
    rows[5]["caption"] = rows[6]["caption"] = "dud"
    return rows


def _status_text(found: Status) -> str:
    return "\n".join(status_lines(found))


def test_a_finished_run_is_told_as_it_was_when_it_ended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    summary = run_local(toy_graph(tmp_path, MIXED, rows=_rows()), out)
    found = status(str(out))
    assert (found.state, found.dataset.state, found.drivers) == ("finished", "current", [])
    assert (found.slices_done, found.slices) == (7, 7)
    assert found.counts.accepted == summary.counts.accepted > 0
    assert found.counts.rejected == summary.counts.rejected
    assert found.counts.failed == summary.counts.failed > 0
    assert found.dataset.samples == found.counts.accepted
    for id, stage in found.stages.items():
        counters = summary.stage_counters[id]
        assert (stage.taken, stage.passed, stage.rejected, stage.failed) == (
            counters.taken,
            counters.passed,
            counters.rejected,
            counters.failed,
        ), id
        assert stage.seconds == pytest.approx(counters.seconds, abs=1e-4)


def test_what_packing_dropped_is_not_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=[{**row, "uri": "same"} for row in plain_rows(6)])
    monkeypatch.setattr(graph.nodes[0].stage, "rng", lambda stage, record: np.random.default_rng(0))
    run_local(graph, tmp_path / "out")
    found = status(str(tmp_path / "out"))
    assert (found.counts.accepted, found.counts.rejected) == (1, {"pack/duplicate": 5})


def test_failures_are_told_by_kind_and_the_next_command_is_retry(tmp_path: Path) -> None:
    rows = [{**row, "caption": "bomb" if number < 4 else "dud"} for number, row in enumerate(plain_rows(6))]
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows), out)
    found = status(str(out))
    assert [(failure.records, failure.error) for failure in found.failures] == [
        (4, "ValueError: it went off"),
        (2, "it fizzled"),
    ]
    assert found.next == f"python -m datagen retry {out}"
    assert "4 failed in blow_up, such as r0: ValueError: it went off" in _status_text(found)


def test_errors_that_only_name_other_things_are_one_kind(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [{"use": "read_image"}, PAINT], rows=plain_rows(5)), out)
    [failure] = status(str(out)).failures
    assert failure.records == 5


def test_a_run_that_was_broken_off_says_how_far_it_came_and_which_command_goes_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    class Impatient(Quiet):
        @property
        def stopping(self) -> bool:
            return self.slices >= 2

    config = toy_config(tmp_path, [{"use": "sift"}, PAINT], rows=plain_rows(20))
    graph = toy_graph(tmp_path, [{"use": "sift"}, PAINT], rows=plain_rows(20))
    with pytest.raises(KeyboardInterrupt):
        run(graph, out=str(out), options=RunOptions("local", rows=12), watcher=Impatient())
    found = status(str(out))
    assert (found.state, found.dataset.state, found.slices_done, found.slices) == ("unfinished", "none", 2, 4)
    assert found.counts.sources == 6
    assert "slices      2 of 4 done" in _status_text(found)
    words = shlex.split(found.next)
    assert words[:4] == ["python", "-m", "datagen", "run"]
    assert config.exists()
    again = call(*words[3:], "--engine", "local", capfd=capfd)
    assert again.code == cli.OK
    assert "2 of 4 slices were done before" in again.out
    assert status(str(out)).state == "finished"


def test_whoever_holds_the_lock_is_named_and_nothing_is_suggested(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT]), out)
    with locked(Store(str(out))):
        found = status(str(out))
        assert (found.state, found.next) == ("running", "")
        assert "holds it, for 0 s, seen 0 s ago" in _status_text(found)
    with locked(Store(str(out)), Partition(1, 2)), locked(Store(str(out)), Partition(2, 2)):
        assert [driver.lock for driver in status(str(out)).drivers] == ["run/locks/1-of-2", "run/locks/2-of-2"]
        assert "takes share 2/2" in _status_text(status(str(out)))
    assert status(str(out)).state == "finished"


@pytest.mark.parametrize("begun", [None, "soon", float("nan")])
def test_a_lock_that_does_not_say_since_when_it_is_held_counts(tmp_path: Path, begun: object) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT]), out)
    signed = {"host": "elsewhere", "pid": 7, "seen": time.time(), **({} if begun is None else {"begun": begun})}
    (out / "run" / "lock").write_text(json.dumps(signed))
    found = status(str(out))
    if begun == "soon":
        assert found.drivers == []  # it is torn, and nobody's
    else:
        assert "process 7 on elsewhere holds it, seen 0 s ago" in _status_text(found)


def test_a_source_that_grew_makes_the_dataset_an_older_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT], rows=plain_rows(6)), out)
    toy_graph(tmp_path, [PAINT], rows=plain_rows(12))
    found = status(str(out))
    assert (found.state, found.dataset.state, found.slices_done, found.slices) == ("unfinished", "older", 2, 4)


def test_a_dataset_of_another_config_is_not_of_this_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT]), out)
    first = status(str(out)).fingerprint
    stages = [{"use": "interrupt"}, PAINT]
    with pytest.raises(KeyboardInterrupt):
        run_local(toy_graph(tmp_path, stages), out)
    found = status(str(out))
    assert found.dataset.fingerprint == first != found.fingerprint
    assert (found.state, found.dataset.state, found.slices_done) == ("unfinished", "older", 0)


def test_it_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, MIXED, rows=_rows()), out)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    _status_text(status(str(out)))
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_it_reads_any_address(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, MIXED, rows=_rows()), out)
    memory = fsspec.filesystem("memory")
    memory.put(f"{out}/", "/status-test/", recursive=True)
    try:
        there, here = asdict(status("memory://status-test")), asdict(status(str(out)))
    finally:
        memory.rm("/status-test", recursive=True)
    assert {**there, "out": "", "next": ""} == {**here, "out": "", "next": ""}


@pytest.mark.parametrize(("place", "message"), [("nowhere", "does not exist"), ("empty", "holds no run of datagen")])
def test_a_place_without_a_run_gets_one_line(
    tmp_path: Path, place: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    result = call("status", tmp_path / place, capfd=capfd)
    assert result.code == cli.WRONG
    assert result.err.startswith(f"error: {tmp_path / place} {message}")
    assert result.err.count("\n") == 1
    assert result.out == ""


def test_a_damaged_ledger_is_told_and_all_else_too(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT]), out)
    next(out.glob("run/ledger/*/0*.parquet")).write_bytes(b"PAR1 not")
    found = status(str(out))
    assert "is damaged" in found.notes[0]
    assert found.counts.records == 0
    assert found.pipeline == "toy"


def test_a_damaged_dataset_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT]), out)
    (out / "dataset.json").write_text("{")
    found = status(str(out))
    assert (found.state, found.dataset.state, found.counts.accepted) == ("unfinished", "damaged", 8)
    assert "dataset     its dataset.json is damaged" in _status_text(found)
    assert found.next.startswith("python -m datagen run ")


@pytest.mark.parametrize(
    "text", ["pipeline: toy\nstages: 3", "pipeline: toy\nsource: {kind: manifest, path: nowhere.jsonl}"]
)
def test_a_config_that_tells_no_rows_leaves_the_number_of_slices_open(tmp_path: Path, text: str) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT]), out)
    (out / "dataset.json").unlink()
    (out / "run" / "config.yaml").write_text(text)
    found = status(str(out))
    assert (found.slices_done, found.slices) == (3, None)
    assert "slices      3 done" in _status_text(found)


def test_files_that_are_merged_meanwhile_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT]), out)
    calls = []
    whole = Ledger.tables

    def torn(self: Ledger, *args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) == 1:
            yield next(whole(self, *args, **kwargs))
            raise StoreError("its file has gone")
        yield from whole(self, *args, **kwargs)

    monkeypatch.setattr(ledger_module.Ledger, "tables", torn)
    found = status(str(out))
    assert (found.counts.records, found.notes) == (8, [])


def test_money_is_told(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [{"use": "pay"}, PAINT]), out)
    found = status(str(out))
    assert (found.tokens, found.usd) == (30, 3.0)
    assert "spent       30 tokens, $3.00" in _status_text(found)


def test_json_is_for_a_script_and_the_rest_for_a_person(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, MIXED, rows=_rows()), out)
    result = call("status", out, "--json", capfd=capfd)
    assert result.code == cli.OK
    assert result.data["counts"]["accepted"] == json.loads((out / "dataset.json").read_text())["totals"]["accepted"]
    stage = next(stage for stage in result.data["stages"] if stage["id"] == "paint")
    assert list(stage) == ["id", "taken", "passed", "rejected", "failed", "seconds"]
    assert result.data["dataset"]["state"] == "current"
    output = call("status", out, capfd=capfd).out
    assert output.startswith(f"toy in {out}: finished\n")
    assert "\x1b" not in output


def test_hostile_text_does_not_reach_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": "a\x1b[31m", "uri": "x", "caption": "bomb"}]
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows), out)
    assert "\x1b" not in call("status", out, capfd=capfd).out
