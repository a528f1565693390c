"""The Ray engine: same bytes as the local one, pools that fit, errors that are told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from building import PAINT, Quiet, context_of, dataset_bytes, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from chaos import ROOT

from datagen.core.errors import ConfigError, DatagenError, SetupError
from datagen.execute.engines.cluster import Machines, fair_shares
from datagen.execute.engines.ray import RayEngine
from datagen.execute.run import RunOptions, committer_of, run, worker_context_of
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.slices import Job, cut

pytestmark = pytest.mark.ray

STAGES = [{"use": "sift"}, {"use": "ask"}, {"use": "fan_out"}, {"use": "gather"}, {"use": "blow_up"}, PAINT]


@pytest.mark.usefixtures("two_core_ray")
def test_both_engines_give_the_same_bytes(tmp_path: Path) -> None:
    rows = plain_rows(30)
    rows[4]["caption"] = "bomb"
    graph = toy_graph(tmp_path, STAGES, rows=rows)
    run_local(graph, tmp_path / "local")
    watcher = Quiet()
    summary = run(graph, out=str(tmp_path / "ray"), options=RunOptions("ray"), watcher=watcher)
    assert len(fuse(graph)) == 3, "the remote stage stands alone, so records travel"
    assert (watcher.slices, summary.computed) == (10, 10)
    assert dataset_bytes(tmp_path / "local") == dataset_bytes(tmp_path / "ray")


@pytest.mark.usefixtures("two_core_ray")
def test_a_stage_that_cannot_start_is_told_as_such(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "no_weights"}, PAINT])
    with pytest.raises(SetupError, match=r"toy.yaml:\d+: stage 'no_weights' cannot start: .*pip install weights"):
        run(graph, out=str(tmp_path / "out"), options=RunOptions("ray"), watcher=Quiet())


@pytest.mark.usefixtures("two_core_ray")
def test_a_stage_that_changes_its_input_or_panics_fails_its_record_alone(tmp_path: Path) -> None:
    rows = [{**row, "objects": [{"label": "b", "box": [0, 0, 1, 1]}]} for row in plain_rows(5)]
    rows[1]["caption"], rows[3]["caption"] = "sorted", "panic"
    graph = toy_graph(tmp_path, [{"use": "panic_call"}, {"use": "sorter"}, PAINT], rows=rows)
    run(graph, out=str(tmp_path / "out"), options=RunOptions("ray"), watcher=Quiet())
    ends = ledger_rows(tmp_path / "out")
    assert {id: row["stage"] for id, row in ends.items() if row["status"] == "failed"} == {
        "r1": "sorter",
        "r3": "panic_call",
    }
    assert "field 'objects'" in ends["r1"]["detail"]
    assert "PanicError" in ends["r3"]["detail"]


def test_pools_share_the_machine(tmp_path: Path) -> None:
    operators = fuse(toy_graph(tmp_path, STAGES))
    assert fair_shares(operators, Machines.one(cpus=2, gpus=0)) == [1, 1, 1]
    assert fair_shares(operators, Machines.one(cpus=8, gpus=0)) == [4, 1, 4]
    assert fair_shares(operators, Machines.one(cpus=1, gpus=0)) == [1, 1, 1], "one core is enough for all of them"


def test_a_resource_that_no_machine_has_is_refused(tmp_path: Path) -> None:
    operators = fuse(toy_graph(tmp_path, [{**PAINT, "resources": {"gpus": 2}}]))
    with pytest.raises(
        ConfigError, match=r"toy.yaml:\d+: 'paint' needs 2 GPUs, and no machine has more than 0; lower its `resources`"
    ):
        fair_shares(operators, Machines.one(cpus=2, gpus=0))


@pytest.mark.usefixtures("two_core_ray")
def test_records_that_kill_their_worker_fail_by_name_and_the_rest_goes_on(tmp_path: Path) -> None:
    rows = plain_rows(12)
    for number, caption in ((1, "stumble"), (4, "killer"), (5, "killer"), (8, "stumble")):
        rows[number]["caption"] = caption
    stages = [{"use": "crash", "with": {"folder": str(tmp_path)}}, PAINT]
    graph = toy_graph(tmp_path, stages, rows=rows)
    summary = run(graph, out=str(tmp_path / "out"), options=RunOptions("ray"), watcher=Quiet())
    found = ledger_rows(tmp_path / "out")
    assert {id for id, row in found.items() if row["status"] == "failed"} == {"r4", "r5"}
    assert found["r4"]["stage"] == "crash"
    assert found["r4"]["detail"].startswith("killed its worker")
    assert summary.counts.accepted == 10
    assert {found[id]["attempts"] > 1 for id in ("r1", "r8")} == {True}


SHORT_OF_MEMORY = """
import sys
from pathlib import Path
import ray
from building import Quiet
from datagen.pipeline.config import load
from datagen.execute.run import RunOptions, run
from datagen.pipeline.graph import build
said = (line.split() for line in open("/proc/meminfo"))
kilobytes = {name: int(value) for name, value, *_ in said}
share = 1 - (kilobytes["MemAvailable:"] - 4e6) / kilobytes["MemTotal:"]
ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, _system_config={"memory_usage_threshold": share})
run(build(load(Path(sys.argv[1]))), out=sys.argv[2], options=RunOptions("ray"), watcher=Quiet())
"""


@pytest.mark.subprocess
def test_a_record_that_takes_all_memory_fails_by_name_and_its_neighbours_do_not(tmp_path: Path) -> None:
    """Ray ends several workers at once when memory runs short, those of other slices too."""
    rows = plain_rows(24)
    rows[13]["caption"] = "hoarder"
    config = toy_config(tmp_path, [{"use": "hoard"}, PAINT], rows=rows)
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(config), str(tmp_path / "out")]
    paths = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    done = subprocess.run(
        command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = ledger_rows(tmp_path / "out")
    assert {id for id, row in found.items() if row["status"] != "accepted"} == {"r13"}
    assert (found["r13"]["status"], found["r13"]["stage"]) == ("failed", "hoard")
    assert "running low on memory" in found["r13"]["detail"]
    assert not list((tmp_path / "out" / "run").glob("journals/*"))


@pytest.mark.usefixtures("two_core_ray")
def test_workers_that_never_start_end_the_run(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [{"use": "crash_at_start"}, PAINT], rows=plain_rows(1))
    with pytest.raises(DatagenError, match="workers die before they reach a record"):
        run(graph, out=str(tmp_path / "out"), options=RunOptions("ray"), watcher=Quiet())


def test_gpus_that_cannot_be_had_together_are_refused(tmp_path: Path) -> None:
    gpu = {"resources": {"gpus": 1}}
    operators = fuse(toy_graph(tmp_path, [{"use": "sift", **gpu}, {**PAINT, **gpu}]))
    with pytest.raises(
        ConfigError, match=r"the stages need 2 GPUs together, and there are 1 \('sift' 1 x 1, 'paint' 1 x 1\)"
    ):
        fair_shares(operators, Machines.one(cpus=2, gpus=1))
    halves = fuse(
        toy_graph(tmp_path, [{"use": "sift", "resources": {"gpus": 0.5}}, {**PAINT, "resources": {"gpus": 0.5}}])
    )
    assert fair_shares(halves, Machines.one(cpus=2, gpus=1)) == [1, 1, 2], "and one to write on each core"


def test_no_more_workers_than_the_config_allows(tmp_path: Path) -> None:
    operators = fuse(toy_graph(tmp_path, [{**PAINT, "resources": {"replicas": {"min": 2, "max": 3}}}]))
    assert fair_shares(operators, Machines.one(cpus=16, gpus=0)) == [3]
    assert fair_shares(operators, Machines.one(cpus=1, gpus=0)) == [2]


@pytest.mark.usefixtures("two_core_ray")
def test_slices_are_cut_only_as_workers_take_them(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(40), slice_size=1)
    taken: list[int] = []
    reported = 0
    most = 0

    def cutting() -> Iterator[Job]:
        nonlocal most
        for part in cut(graph.source, size=1):
            taken.append(part.number)
            most = max(most, len(taken) - reported)
            yield Job(part)

    context = context_of(graph, tmp_path / "out")
    for events in RayEngine().run(fuse(graph), committer_of(context), worker_context_of(context), cutting()):
        reported += events.report is not None
    assert (len(taken), reported) == (40, 40)
    assert most <= 2 * 2, "two for each of two workers"


@pytest.mark.usefixtures("two_core_ray")
def test_operators_that_want_more_cores_than_there_are_share_them(tmp_path: Path) -> None:
    stages = [{"use": "sift", "resources": {"cpus": 2}}, {"use": "blow_up"}, {**PAINT, "resources": {"cpus": 1.5}}]
    graph = toy_graph(tmp_path, stages, rows=plain_rows(6))

    def give_up(*_: object) -> None:
        raise TimeoutError("a worker waits for cores that another one holds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(90)
    try:
        assert run(graph, out=str(tmp_path / "out"), options=RunOptions("ray"), watcher=Quiet()).counts.sources == 6
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
