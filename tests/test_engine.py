"""What workers and the local engine promise of every pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from building import PAINT, dataset_bytes, ledger_rows, plain_rows, run_local, toy_graph

from datagen.execute.maintain.verify import verify

SIFTED = [{"use": "sift"}, {"use": "fan_out"}, PAINT]


def test_every_record_is_accounted_for(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, SIFTED, rows=plain_rows(40))
    summary = run_local(graph, tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert summary.counts.sources == 40
    assert summary.counts.records == sum(row["status"] in ("accepted", "rejected", "failed") for row in rows.values())
    assert set(summary.counts.rejected) == {"sift/unlucky", "fan_out/no_children"}
    assert verify(str(tmp_path / "out")) == []


def test_rejected_records_keep_scores_and_text(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, SIFTED, rows=plain_rows(20)), tmp_path / "out")
    rejected = [row for row in ledger_rows(tmp_path / "out").values() if row["reason"] == "unlucky"]
    assert rejected
    for row in rejected:
        assert 0 <= json.loads(row["scores"])["contrast"] < 0.3
        assert json.loads(row["fields"])["caption"].startswith("c")
        assert row["detail"].startswith("drew 0.")


def test_an_exception_fails_its_record_alone(tmp_path: Path) -> None:
    rows = plain_rows(6)
    rows[1]["caption"], rows[4]["caption"] = "bomb", "dud"
    run_local(toy_graph(tmp_path, [{"use": "blow_up"}, PAINT], rows=rows, slice_size=6), tmp_path / "out")
    found = ledger_rows(tmp_path / "out")
    assert {id for id, row in found.items() if row["status"] == "failed"} == {"r1", "r4"}
    assert "it went off" in found["r1"]["detail"]
    assert "blow_up.py" in found["r1"]["detail"], "the traceback is in the ledger"
    assert found["r4"]["detail"] == "it fizzled"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("extra", "stage 'misbehave' wrote contrast, sharpness; it promised contrast"),
        ("missing", "stage 'misbehave' wrote nothing; it promised contrast"),
        ("kind", "field 'contrast' takes a finite number, not str 'high'"),
        ("nan", "field 'contrast' takes a finite number, not float nan"),
        ("reason", "stage 'misbehave' rejects for 'whim', which its `rejects` does not list"),
        ("type", "stage 'misbehave' answered NoneType, not fields, Reject or Failed"),
        ("detail", "stage 'misbehave' rejects with the detail 0.5; it has to be text"),
        ("error", "odd"),
        ("exit", "SystemExit: 3"),
        ("count", "stage 'misbehave' gave 0 answers for 1 records"),
        ("unasked", "KeyError: 'uri'"),
    ],
)
def test_a_stage_that_breaks_its_promise_fails_the_record(tmp_path: Path, how: str, message: str) -> None:
    stages = [{"use": "misbehave", "with": {"how": how}}, PAINT]
    run_local(toy_graph(tmp_path, stages, rows=plain_rows(1)), tmp_path / "out")
    assert message in ledger_rows(tmp_path / "out")["r0"]["detail"]


def test_combine_hears_of_lost_siblings_and_inherits(tmp_path: Path) -> None:
    stages = [{"use": "fan_out", "with": {"most": 4}}, {"use": "sift"}, {"use": "gather"}, PAINT]
    run_local(toy_graph(tmp_path, stages, rows=plain_rows(30)), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    merged = {id: row for id, row in rows.items() if "+" in id}
    assert merged
    for id, row in merged.items():
        parent = id.partition("#")[0]
        siblings = [other for other in rows.values() if other["parent"] == parent and "+" not in other["id"]]
        lost = sum(other["status"] == "rejected" for other in siblings)
        assert json.loads(row["fields"])["subject"].endswith(f"without {lost}")
        assert row["parent"] == parent
        assert {other["status"] for other in siblings} <= {"combined", "rejected"}


def test_combine_by_session_keeps_sessions_in_one_slice(tmp_path: Path) -> None:
    rows = [{**row, "session": f"s{n // 5}"} for n, row in enumerate(plain_rows(15))]
    source = {"kind": "manifest", "path": str(tmp_path / "manifest.jsonl"), "group_by": "session"}
    graph = toy_graph(tmp_path, [{"use": "gather_session"}, PAINT], rows=rows, source=source)
    summary = run_local(graph, tmp_path / "out")
    assert summary.counts.accepted == 3 * 4
    found = {json.loads(row["fields"])["caption"] for id, row in ledger_rows(tmp_path / "out").items() if "+" in id}
    assert "c0, then c1" in found
    assert "c4, then c5" not in found


def test_when_routes_and_repeat_tries_again(tmp_path: Path) -> None:
    repeat = {"times": 3, "until": {"verdict": "yes"}, "stages": [{"use": "ask"}]}
    run_local(toy_graph(tmp_path, [{"repeat": repeat}, PAINT], rows=plain_rows(60)), tmp_path / "out")
    rounds = [list(json.loads(row["seconds"])) for row in ledger_rows(tmp_path / "out").values()]
    assert {len([stage for stage in stages if stage.startswith("ask")]) for stages in rounds} == {1, 2, 3}
    for row in ledger_rows(tmp_path / "out").values():
        rows = [stage for stage in json.loads(row["seconds"]) if stage.startswith("ask")]
        assert row["tokens"] == 3 * len(rows)
        assert row["usd"] == pytest.approx(0.02 * len(rows))


def test_a_finished_run_computes_nothing_again(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, SIFTED, rows=plain_rows(20))
    first = run_local(graph, tmp_path / "out")
    before = dataset_bytes(tmp_path / "out")
    again = run_local(graph, tmp_path / "out")
    assert (first.computed, again.computed) == (7, 0)
    assert dataset_bytes(tmp_path / "out") == before


def test_growing_the_manifest_computes_only_new_slices(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, SIFTED, rows=plain_rows(9)), tmp_path / "out")
    grown = run_local(toy_graph(tmp_path, SIFTED, rows=plain_rows(15)), tmp_path / "out")
    assert (grown.slices, grown.computed) == (5, 2)
    fresh = run_local(toy_graph(tmp_path, SIFTED, rows=plain_rows(15)), tmp_path / "fresh")
    assert fresh.computed == 5
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "fresh")


def test_another_seed_makes_another_dataset(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, SIFTED, seed=1), tmp_path / "one")
    run_local(toy_graph(tmp_path, SIFTED, seed=2), tmp_path / "two")
    assert dataset_bytes(tmp_path / "one") != dataset_bytes(tmp_path / "two")


def test_wrong_children_fail_their_record_alone(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, [{"use": "misspread"}, PAINT], rows=plain_rows(4)), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert rows["r0"]["detail"] == "stage 'misspread' answered NoneType, not a list of children"
    assert rows["r1"]["detail"] == "stage 'misspread' answered str, not a list of children"
    assert rows["r2"]["detail"] == "stage 'misspread' answered NoneType, not fields, Reject or Failed"
    assert rows["r3#0"]["status"] == "accepted"


def test_a_wrong_group_fails_its_records(tmp_path: Path) -> None:
    stages = [{"use": "fan_out", "with": {"most": 3}}, {"use": "misgather"}, PAINT]
    run_local(toy_graph(tmp_path, stages, rows=plain_rows(9)), tmp_path / "out")
    children = [row for id, row in ledger_rows(tmp_path / "out").items() if "#" in id]
    assert children
    for row in children:
        assert row["detail"] == "stage 'misgather' answered NoneType, not a list of Merged"


def test_no_more_calls_are_in_flight_than_allowed(tmp_path: Path) -> None:
    stages = [{"use": "count_flights", "resources": {"concurrency": 3}}, PAINT]
    run_local(toy_graph(tmp_path, stages, rows=plain_rows(20), slice_size=20), tmp_path / "out")
    most = max(json.loads(row["scores"])["contrast"] for row in ledger_rows(tmp_path / "out").values())
    assert most == 3


def test_a_batch_shares_what_it_cost(tmp_path: Path) -> None:
    stages = [{"use": "pay", "resources": {"batch_size": 4}}, PAINT]
    run_local(toy_graph(tmp_path, stages, rows=plain_rows(4), slice_size=4), tmp_path / "out")
    rows = ledger_rows(tmp_path / "out").values()
    assert sorted(row["tokens"] for row in rows) == [2, 2, 3, 3]
    assert sum(row["usd"] for row in rows) == pytest.approx(1.0)


def test_libraries_in_a_worker_use_the_cores_it_reserves(tmp_path: Path) -> None:
    before = cv2.getNumThreads()
    try:
        run_local(toy_graph(tmp_path, [{**PAINT, "resources": {"cpus": 1}}], rows=plain_rows(1)), tmp_path / "out")
        assert cv2.getNumThreads() == 1
    finally:
        cv2.setNumThreads(before)
