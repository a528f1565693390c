"""Rounds of a repeat block: they share workers and what these loaded, and differ in nothing else."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import ray
from building import PAINT, Quiet, context_of, dataset_bytes, ledger_rows, plain_rows, run_local, toy_graph
from toys.attempt import Attempt
from toys.reconsider import Reconsider

from datagen.core.record import Record
from datagen.execute.engines.progress_events import EngineEvent, RunProgress
from datagen.execute.engines.ray import RayEngine
from datagen.execute.engines.slice_queue import SliceQueue
from datagen.execute.engines.throughput import Throughput
from datagen.execute.inspect.plan import as_text
from datagen.execute.ledger.ledger import Counts, Ledger
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.run import RunOptions, committer_of, run, worker_context_of
from datagen.execute.workers.operators import Passage, fuse, plan_pools
from datagen.execute.workers.slices import Job, cut
from datagen.execute.workers.state import SliceState
from datagen.execute.workers.worker import Worker
from datagen.pipeline.graph_model import Clause, Graph

pytestmark = pytest.mark.ray

GPU = {"gpus": 1, "replicas": {"max": 1}}


def _attempts(folder: Path, *, resources: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    return {"use": "attempt", "with": {"folder": str(folder), **options}, "resources": resources or {}}


def _repeat(*stages: dict[str, Any], times: int = 5) -> dict[str, Any]:
    return {"repeat": {"times": times, "until": {"opinion": "yes"}, "stages": list(stages)}}


def _logged(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray that counts four cores and one GPU, whatever there is."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init("local", num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def _on_ray(graph: Graph, out: Path, *, in_flight_mb: float | None = None) -> list[EngineEvent]:
    context = context_of(graph, out)
    feed = SliceQueue(context, ledger=Ledger(context.store, context.fingerprint), watcher=Quiet())
    engine = RayEngine(in_flight_mb=in_flight_mb)
    return [*engine.run(fuse(graph), committer_of(context), worker_context_of(context), feed)]


def _pools(folder: Path, *stages: dict[str, Any]) -> list[list[str]]:
    """The names of the operators of each pool."""
    operators = fuse(toy_graph(folder, list(stages)))
    return [[operators[step].name for step in plan.steps] for plan in plan_pools(operators)]


def test_operators_with_rounds_of_one_stage_share_a_pool(tmp_path: Path) -> None:
    one = _attempts(tmp_path, resources={"gpus": 1})
    judge = {"use": "sift", "resources": {"gpus": 1}}
    ask = {"use": "ask"}
    assert _pools(tmp_path, _repeat(one, judge, times=2), PAINT) == [
        ["attempt", "attempt_2"],
        ["sift", "sift_2"],
        ["paint"],
    ]
    assert _pools(tmp_path, {"use": "fan_out"}, _repeat(_attempts(tmp_path)), PAINT) == [["fan_out to paint"]]
    assert _pools(tmp_path, judge, {**judge, "id": "again", "map": {"contrast": "match"}}, PAINT) == [
        ["sift"],
        ["again"],
        ["paint"],
    ], "two uses of one stage have options of their own"
    assert _pools(tmp_path, _repeat(ask, one, times=3), PAINT) == [
        ["ask", "ask_2", "ask_3"],
        ["attempt", "attempt_2", "attempt_3"],
        ["paint"],
    ]


def test_cores_around_a_gpu_in_a_block_are_one_pool(tmp_path: Path) -> None:
    """Each of the three has a stage in common with another of them, so that all are run by the same workers."""
    one = _attempts(tmp_path, resources={"gpus": 1})
    stages = [{"use": "fan_out"}, _repeat({"use": "note"}, one, {"use": "sift"}, times=2), PAINT]
    assert _pools(tmp_path, *stages) == [["fan_out+note", "sift+note_2", "sift_2+paint"], ["attempt", "attempt_2"]]


def test_a_plan_says_which_workers_are_shared(tmp_path: Path) -> None:
    one = _attempts(tmp_path, resources={"gpus": 1})
    text = as_text(context_of(toy_graph(tmp_path, [_repeat(one, times=3), PAINT])))
    lines = [line.strip() for line in text.splitlines() if line.startswith("  attempt")]
    assert lines == [
        "attempt: 1 stages, 0 cores a worker, 1 GPUs a worker, 1 to as many as fit workers",
        "attempt_2: 1 stages, in the workers of attempt",
        "attempt_3: 1 stages, in the workers of attempt",
    ]


def test_rounds_load_once_and_draw_under_their_own_ids(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [_repeat(_attempts(tmp_path)), PAINT], rows=plain_rows(40))
    run_local(graph, tmp_path / "out")
    assert [line["stage"] for line in _logged(tmp_path, "loads")] == ["attempt"]
    calls = _logged(tmp_path, "calls")
    assert {call["stage"] for call in calls} == {"attempt", *(f"attempt_{number}" for number in range(2, 6))}
    assert len({call["model"] for call in calls}) == 1
    _check_draws(tmp_path)


def _check_draws(folder: Path) -> None:
    """Each record met the rounds up to the first that was content, by the numbers that a stage of this id draws."""
    config = Attempt.Config(folder=str(folder))
    rounds = [Attempt(config, id=f"attempt_{number}" if number > 1 else "attempt", seed=0) for number in range(1, 6)]
    for id, row in ledger_rows(folder / "out").items():
        content = [stage.opinion(Record(id, {})) == "yes" for stage in rounds]
        met = content.index(True) + 1 if any(content) else 5
        assert [*json.loads(row["seconds"])] == [*(stage.id for stage in rounds[:met]), "paint"]
        assert json.loads(row["fields"])["opinion"] == ("yes" if any(content) else "no")


def test_no_round_loads_where_one_has_stored_answers(tmp_path: Path) -> None:
    attempts = {**_attempts(tmp_path, share=1.0), "durable": True}
    run_local(toy_graph(tmp_path, [_repeat(attempts), PAINT]), tmp_path / "out")
    run_local(toy_graph(tmp_path, [_repeat(attempts), {**PAINT, "with": {"side": 5}}]), tmp_path / "out")
    assert len(_logged(tmp_path, "loads")) == 1, "the later rounds never had an answer to keep"


def test_a_run_takes_up_in_a_round_what_an_earlier_run_left(tmp_path: Path) -> None:
    attempts = {**_attempts(tmp_path), "durable": True}
    few = run_local(toy_graph(tmp_path, [_repeat(attempts, times=2), PAINT]), tmp_path / "out")
    run_local(toy_graph(tmp_path, [_repeat(attempts), PAINT]), tmp_path / "out")
    calls = Counter((call["stage"], id) for call in _logged(tmp_path, "calls") for id in call["ids"])
    assert few.counts.accepted == 8
    assert set(calls.values()) == {1}, "rounds one and two are not computed again"
    assert any(stage == "attempt_3" for stage, _ in calls)


@pytest.mark.usefixtures("cluster")
def test_one_gpu_is_enough_for_five_rounds_of_two_stages(tmp_path: Path) -> None:
    """Half of it for each stage; with a pool for each round they would want five GPUs."""
    half = {"gpus": 0.5, "replicas": {"max": 1}, "batch_size": 4}
    stages = [_repeat(_attempts(tmp_path, resources=half), {"use": "sift", "resources": half}), PAINT]
    graph = toy_graph(tmp_path, stages, rows=plain_rows(90))
    events = _on_ray(graph, tmp_path / "out")
    assert len([event for event in events if event.report]) == 30
    loads = _logged(tmp_path, "loads")
    assert len(loads) == 1
    assert {call["pid"] for call in _logged(tmp_path, "calls")} == {loads[0]["pid"]}
    last = next(event for event in reversed(events) if event.workers)
    assert {last.workers[stage] for stage in last.workers if stage.startswith(("attempt", "sift"))} == {1}
    assert sum(share for stage, share in last.working.items() if stage.startswith("attempt")) <= 1


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    "stages",
    [
        pytest.param(lambda folder: [_repeat(_attempts(folder, resources=GPU)), PAINT], id="a gpu"),
        pytest.param(
            lambda folder: [_repeat({"use": "note"}, _attempts(folder, resources=GPU), {"use": "sift"}), PAINT],
            id="cores around it",
            marks=pytest.mark.full,  # the same law with more operators in a pool
        ),
        pytest.param(lambda folder: [_repeat(_attempts(folder)), {"use": "ask"}, PAINT], id="cores, then a service"),
    ],
)
@pytest.mark.parametrize("in_flight_mb", [None, 0.0001], ids=["default", "one slice at a time"])
def test_shared_workers_finish_and_give_the_bytes_of_the_local_engine(
    tmp_path: Path, stages: Any, in_flight_mb: float | None
) -> None:
    graph = toy_graph(tmp_path, stages(tmp_path), rows=plain_rows(40), slice_size=2)
    options = RunOptions("ray", in_flight_mb=in_flight_mb)
    run(graph, out=str(tmp_path / "out"), options=options, watcher=Quiet())
    run_local(graph, tmp_path / "local")
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "local")


@pytest.mark.usefixtures("cluster")
def test_later_rounds_with_few_records_fill_their_batches(tmp_path: Path) -> None:
    """One record of ten goes on to a next round, so a call of four batches leaves three of them."""
    attempts = _attempts(tmp_path, share=0.9, seconds=0.05, resources={**GPU, "batch_size": 8})
    graph = toy_graph(tmp_path, [_repeat(attempts, times=3), PAINT], rows=plain_rows(960), slice_size=8)
    _on_ray(graph, tmp_path / "out")
    sizes = [len(call["ids"]) for call in _logged(tmp_path, "calls") if call["stage"] == "attempt_2"]
    assert 60 < sum(sizes) < 140
    assert sum(sizes) / len(sizes) > 4.5, sizes


@pytest.mark.usefixtures("cluster")
def test_a_record_that_kills_its_worker_in_a_later_round_fails_there_by_name(tmp_path: Path) -> None:
    rows = plain_rows(12)
    rows[4]["caption"] = "killer"
    attempts = _attempts(tmp_path, share=0.0, kills_in="attempt_2", resources=GPU)
    graph = toy_graph(tmp_path, [_repeat(attempts, times=3), PAINT], rows=rows)
    run(graph, out=str(tmp_path / "out"), options=RunOptions("ray"), watcher=Quiet())
    failed = {id: row for id, row in ledger_rows(tmp_path / "out").items() if row["status"] != "accepted"}
    assert {id: row["stage"] for id, row in failed.items()} == {"r4": "attempt_2"}
    assert failed["r4"]["detail"].startswith("killed its worker")


def test_rounds_that_ask_a_service_share_its_open_calls(tmp_path: Path) -> None:
    graph = toy_graph(
        tmp_path, [_repeat({"use": "reconsider", "resources": {"concurrency": 4}}, times=3), PAINT], rows=plain_rows(30)
    )
    operators = fuse(graph)
    worker = Worker(plan_pools(operators)[0].operator, worker_context_of(context_of(graph, tmp_path)))
    states = [SliceState.start(Job(part), catalogue=graph.catalogue) for part in cut(graph.source, size=10)]
    for state in states[1:]:  # as if they were through the first round
        worker.run([state], stages=("reconsider",))
    Reconsider.most = 0
    Reconsider.closed.clear()
    with ThreadPoolExecutor(3) as threads:
        ran = [
            threads.submit(worker.run, [state], stages=operator.stages)
            for state, operator in zip(states, operators, strict=False)
        ]
        done = [work.result() for work in ran]
    assert [counters[operator.first].taken for counters, operator in zip(done, operators, strict=False)] == [10] * 3
    assert Reconsider.most == 4
    worker.close()
    assert Reconsider.closed == ["reconsider_3", "reconsider_2", "reconsider"], "each has connections of its own"


def test_the_bottleneck_is_that_of_all_rounds_together(tmp_path: Path) -> None:
    one = _attempts(tmp_path, resources={"gpus": 1})
    now = [100.0]
    pace = Throughput(fuse(toy_graph(tmp_path, [_repeat(one, times=2), PAINT])), clock=lambda: now[0])
    for _ in range(60):
        now[0] += 1
        did = {stage: StageCounters(1, seconds=0.4) for stage in ("attempt", "attempt_2", "paint")}
        working = {"attempt": 0.5, "attempt_2": 0.4, "paint": 0.7}
        pace.add_event(EngineEvent(did, workers=dict.fromkeys(working, 1), working=working))
    found: RunProgress = pace.progress(Counts(), slices=0)
    assert found.bottleneck == "attempt"
    assert {stage.stage: stage.busy for stage in found.stages}["attempt_2"] == pytest.approx(0.4)


def test_an_operator_has_work_for_the_records_that_meet_one_of_its_stages() -> None:
    again = (Clause("opinion", ("yes",), negated=True),)
    edits = (Clause("task", ("edit",)),)
    records = [{"opinion": "yes"}, {"opinion": "no", "task": "edit"}, {"opinion": "yes", "task": "edit"}, {}]
    assert Passage(("attempt_2",), (again,)).count(records) == 2
    assert Passage(("attempt_2", "sift"), (again, edits)).count(records) == 3
    assert Passage(("attempt_2", "sift"), (again, ())).count(records) == 4, "a stage without a condition takes all"
    assert Passage((), ()).count(records) == 4
