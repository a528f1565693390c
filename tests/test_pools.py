"""Pools of workers: none starves, each stays within its limits, and what hangs or dies is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import ray
from building import PAINT, Quiet, context_of, dataset_bytes, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from chaos import ROOT, running

from datagen.cli import BROKEN, SOME_FAILED
from datagen.core.errors import DatagenError
from datagen.execute.engines import scheduler
from datagen.execute.engines.cluster import Machines
from datagen.execute.engines.progress_events import EngineEvent, Summary
from datagen.execute.engines.ray import RayEngine
from datagen.execute.engines.slice_queue import SliceQueue
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, committer_of, run, worker_context_of
from datagen.execute.workers.operators import fuse
from datagen.pipeline.graph_model import Graph

pytestmark = pytest.mark.ray

Engine = Literal["ray", "local"]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray that counts four cores and a GPU, whatever there is."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init("local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def _logged(folder: Path, stage: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{stage}.jsonl").read_text().splitlines()]


def _log(folder: Path, id: str, *, seconds: float = 0.0, **resources: Any) -> dict[str, Any]:
    options = {"folder": str(folder), "seconds": seconds}
    return {"use": "log_calls", "id": id, "with": options, "resources": resources}


def _on_ray(graph: Graph, out: Path, *, in_flight_mb: float | None = None) -> Iterator[EngineEvent]:
    context = context_of(graph, out)
    feed = SliceQueue(context, ledger=Ledger(context.store, context.fingerprint), watcher=Quiet())
    return RayEngine(in_flight_mb=in_flight_mb).run(
        fuse(graph), committer_of(context), worker_context_of(context), feed
    )


def _run(graph: Graph, out: Path, *, engine: Engine = "ray", failed_share: float | None = None) -> Summary:
    return run(graph, out=str(out), options=RunOptions(engine, failed_share=failed_share), watcher=Quiet())


ONE_CORE = """
import sys
from pathlib import Path
import ray
from building import Quiet
from datagen.pipeline.config import load
from datagen.execute.run import RunOptions, run
from datagen.pipeline.graph import build
ray.init("local", num_cpus=1, include_dashboard=False, log_to_driver=False)
run(build(load(Path(sys.argv[1]))), out=sys.argv[2], options=RunOptions("ray"), watcher=Quiet())
"""


@pytest.mark.subprocess
def test_one_core_is_enough_for_whole_and_fractional_workers(tmp_path: Path) -> None:
    stages = [
        {"use": "sift", "resources": {"cpus": 0.25}},
        {"use": "ask"},
        {"use": "fan_out", "resources": {"replicas": {"min": 2}}},
        {"use": "blow_up", "resources": {"cpus": 0.5, "replicas": {"min": 2, "max": 2}}},
        {**PAINT, "resources": {"cpus": 1}},
    ]
    config = toy_config(tmp_path, stages, rows=plain_rows(20))
    command = [sys.executable, "-c", ONE_CORE, str(config), str(tmp_path / "out")]
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(
        command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    run_local(toy_graph(tmp_path, stages, rows=plain_rows(20)), tmp_path / "local")
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "local")


@pytest.mark.usefixtures("cluster")
def test_workers_that_wait_for_cores_which_are_gone_hold_up_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = time.monotonic()

    def machines() -> Machines:
        """As Ray says, but for the first seconds: then there is a machine more, whose cores no worker ever gets."""
        found = known()
        return found if time.monotonic() - begun > 6 else found._replace(cpus=found.cpus + 4, most_cpus=8.0)

    known = scheduler.machines
    monkeypatch.setattr(scheduler, "machines", machines)
    stages = [_log(tmp_path, "one", seconds=0.1, cpus=1), _log(tmp_path, "two", seconds=0.1, cpus=1), PAINT]
    graph = toy_graph(tmp_path, stages, rows=plain_rows(60))
    reports = [event.report for event in _on_ray(graph, tmp_path / "out") if event.report]
    assert len(reports) == 20


@pytest.mark.usefixtures("cluster")
def test_a_pool_keeps_to_its_least_and_most_workers(tmp_path: Path) -> None:
    bounded = _log(tmp_path, "bounded", seconds=0.05, batch_size=1, cpus=0.1, replicas={"min": 2, "max": 3})
    graph = toy_graph(
        tmp_path, [bounded, {**PAINT, "resources": {"cpus": 0.2, "replicas": {"max": 1}}}], rows=plain_rows(90)
    )
    workers = {events.workers["bounded"] for events in _on_ray(graph, tmp_path / "out") if events.workers}
    assert workers <= {2, 3}
    assert 2 <= len({call["pid"] for call in _logged(tmp_path, "bounded")}) <= 3


@pytest.mark.usefixtures("cluster")
def test_a_slow_stage_gets_the_cores_of_an_idle_one(tmp_path: Path) -> None:
    stages = [_log(tmp_path, "quick", cpus=1), _log(tmp_path, "slow", seconds=0.5), PAINT]
    graph = toy_graph(tmp_path, stages, rows=plain_rows(90))
    lines = [lines.workers for lines in _on_ray(graph, tmp_path / "out") if lines.workers]
    assert lines[0] == {"quick": 2, "slow": 1, "paint": 1} or lines[0]["slow"] <= 2
    assert max(workers["slow"] for workers in lines) == 3, "one stays with the quick stage"
    assert len({call["pid"] for call in _logged(tmp_path, "slow")}) == 3
    assert all(workers["quick"] + workers["slow"] <= 4 for workers in lines)


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    "resources",
    [
        pytest.param({"gpus": 0.5}, id="gpu"),
        pytest.param({"cpus": 0.5}, id="half a core", marks=pytest.mark.full),  # the same law as of half a GPU
    ],
)
def test_batches_are_filled_across_slices(tmp_path: Path, resources: dict[str, Any]) -> None:
    """A slice leaves less than one record of eight; halves of one GPU serve two stages at once."""
    stages = [
        {"use": "sift", "with": {"share": 0.9}},
        _log(tmp_path, "dear", seconds=0.3, batch_size=8, replicas={"max": 1}, **resources),
        {**PAINT, "resources": {**resources, "replicas": {"max": 1}}},
    ]
    graph = toy_graph(tmp_path, stages, rows=plain_rows(640), slice_size=8)
    _run(graph, tmp_path / "out")
    sizes = [call["size"] for call in _logged(tmp_path, "dear")]
    assert sum(sizes) == len([1 for row in ledger_rows(tmp_path / "out").values() if row["status"] == "accepted"])
    assert sum(sizes) / len(sizes) > 4, sizes
    run_local(graph, tmp_path / "local")
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "local")


def _most_between(folder: Path, *, after: int) -> int:
    """Slices between the two stages at once, at the most, once `after` of them are through."""
    steps = [(call["ended"], 1) for call in _logged(folder, "first")]
    steps += [(call["ended"], -1) for call in _logged(folder, "second")]
    most = now = through = 0
    for _, step in sorted(steps):
        now += step
        through += step < 0
        most = max(most, now if through >= after else 0)
    return most


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("in_flight_mb", "least", "most"), [(None, 4, 99), (2.2, 1, 3), (0.1, 1, 2)], ids=["default", "2.2 MB", "too small"]
)
def test_bytes_in_flight_are_bounded_and_one_slice_always_goes(
    tmp_path: Path, in_flight_mb: float | None, least: int, most: int
) -> None:
    """Each slice is one picture of 0.7 MB, which is known when the first of them have been made."""
    stages = [
        {**PAINT, "with": {"side": 480}, "resources": {"cpus": 1}},
        _log(tmp_path, "first", cpus=1),
        _log(tmp_path, "second", seconds=0.15, batch_size=1, cpus=0.9, replicas={"max": 1}),
    ]
    graph = toy_graph(tmp_path, stages, rows=plain_rows(24), slice_size=1)
    reports = [events for events in _on_ray(graph, tmp_path / "out", in_flight_mb=in_flight_mb) if events.report]
    assert len(reports) == 24
    assert least <= _most_between(tmp_path, after=8) <= most


@pytest.mark.usefixtures("cluster")
def test_a_machine_is_prepared_once_a_run(tmp_path: Path) -> None:
    stage = {"use": "set_up_once", "with": {"folder": str(tmp_path)}, "resources": {"replicas": {"min": 2, "max": 2}}}
    for runs in (1, 2):
        graph = toy_graph(tmp_path, [stage, PAINT], rows=plain_rows(9 * runs))
        _run(graph, tmp_path / "out")
        assert (tmp_path / "nodes.txt").read_text().split() == ["node"] * runs


LIMIT = {"timeout_s": 1.0, "batch_size": 4}


def _one(caption: str) -> list[dict[str, Any]]:
    rows = plain_rows(6)
    rows[2]["caption"] = caption
    return rows


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("engine", "stage", "caption"),
    [
        ("local", "hang", "sleep"),
        ("local", "hang", "regex"),
        ("local", "never_answer", "sleep"),
        ("local", "brood", "compute"),
        ("ray", "hang", "sleep"),
        ("ray", "hang", "compute"),
        ("ray", "never_answer", "sleep"),
        ("ray", "brood", "compute"),
    ],
)
def test_a_call_that_takes_too_long_fails_its_record_alone(
    tmp_path: Path, engine: Engine, stage: str, caption: str
) -> None:
    graph = toy_graph(tmp_path, [{"use": stage, "resources": LIMIT}, PAINT], rows=_one(caption))
    summary = _run(graph, tmp_path / "out", engine=engine)
    rows = ledger_rows(tmp_path / "out")
    assert {id for id, row in rows.items() if row["status"] == "failed"} == {"r2"}
    assert rows["r2"]["stage"] == stage
    assert "took longer than 1 s, its `resources.timeout_s`" in rows["r2"]["detail"]
    assert summary.counts.accepted == 5
    assert verify(str(tmp_path / "out")) == []


@pytest.mark.usefixtures("cluster")
def test_a_record_that_takes_all_memory_is_found(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "hang"}, PAINT], rows=_one("memory"))
    summary = _run(graph, tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert {id for id, row in rows.items() if row["status"] == "failed"} == {"r2"}
    assert rows["r2"]["detail"].startswith("killed its worker, 3 times in all")
    assert summary.counts.accepted == 5


def _bombs(number: int) -> list[dict[str, Any]]:
    return [{**row, "caption": "bomb"} if index % 2 else row for index, row in enumerate(plain_rows(number))]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("engine", ["local", "ray"])
def test_too_many_failures_stop_a_run_which_goes_on_later(tmp_path: Path, engine: Engine) -> None:
    graph = toy_graph(tmp_path, [{"use": "blow_up"}, PAINT], rows=_bombs(120))
    expected = r"stopped early: \d+ of \d+ records failed, more than --max-failed 0.1 allows, most of them in 'blow_up'"
    with pytest.raises(DatagenError, match=expected):
        _run(graph, tmp_path / "out", engine=engine, failed_share=0.1)
    assert not (tmp_path / "out" / "dataset.json").exists()
    rest = _run(graph, tmp_path / "out", engine=engine)
    assert 0 < rest.computed < 40, "what was committed before is not computed again"
    assert (rest.counts.failed, rest.counts.accepted) == (60, 60)


@pytest.mark.subprocess
def test_the_command_that_stops_early_says_why_and_exits_with_1(tmp_path: Path) -> None:
    config = toy_config(tmp_path, [{"use": "blow_up"}, PAINT], rows=_bombs(60))
    for words, code in ((("--max-failed", "0.05"), BROKEN), ((), SOME_FAILED)):
        with running(config, tmp_path / "out", words=("--engine", "local", *words)) as process:
            assert process.finish() == code
            assert "stopped early: 6 of 12 records failed" in process.log.read_text()
