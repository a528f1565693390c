"""Several machines, here several nodes of Ray on one: one of them may go, and nothing goes with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from building import PAINT, Quiet, dataset_bytes, plain_rows, run_local, toy_config, toy_graph
from chaos import ROOT
from ray.cluster_utils import Cluster

from datagen.execute.engines.cluster import machines, start_ray
from datagen.execute.engines.progress_events import RunProgress
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, run

pytestmark = [
    pytest.mark.ray,
    pytest.mark.subprocess,
    # Ray's own test cluster leaves both
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in. <function Popen:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A head without cores, and two nodes of two."""
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield found
    ray.shutdown()
    found.shutdown()


@pytest.mark.usefixtures("nodes")
def test_without_an_address_a_run_starts_a_ray_of_its_own() -> None:
    """Ray itself would join whatever cluster was started last on this machine, and die with it."""
    assert start_ray() != "not running"
    assert machines().cpus > 0, "the head of the other one has no cores"


def test_a_run_is_submitted_as_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As docs/monitoring.md says; the job finds the cluster that it was sent to by itself."""
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'tests'}")
    ports = {"dashboard_port": 0, "dashboard_agent_listen_port": 0}  # another Ray may have the usual ones
    head = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": True, **ports})
    try:
        config = toy_config(tmp_path, [{"use": "fan_out"}, PAINT], rows=plain_rows(12))
        run = [sys.executable, "-m", "datagen", "run", str(config), "--out", str(tmp_path / "out")]
        submit = [str(Path(sys.executable).parent / "ray"), "job", "submit", "--address", f"http://{head.webui_url}"]
        for _ in range(30):
            done = subprocess.run([*submit, "--", *run], capture_output=True, text=True, timeout=300, check=False)
            if "No available agent" not in done.stderr:
                break
            time.sleep(2)  # the cluster still starts
        assert done.returncode == 0, done.stdout + done.stderr
        assert "succeeded" in done.stdout
        assert verify(str(tmp_path / "out")) == []
    finally:
        head.shutdown()


def test_a_machine_that_goes_takes_only_the_slices_it_was_at(tmp_path: Path, nodes: Cluster) -> None:
    stages: list[Any] = [
        {"use": "sift", "with": {"share": 0.2}},
        {"use": "fan_out"},
        {"use": "ask"},
        {"use": "ponder", "with": {"seconds": 0.05}},
        {"use": "gather"},
        {**PAINT, "with": {"side": 200}},
    ]
    first = nodes.add_node(num_cpus=2)
    nodes.add_node(num_cpus=2)
    nodes.wait_for_nodes()
    graph = toy_graph(tmp_path, stages, rows=plain_rows(90))
    run_local(graph, tmp_path / "local")

    class Removing(Quiet):
        removed = False

        def on_progress(self, message: RunProgress) -> None:
            super().on_progress(message)
            if message.slices >= 4 and not self.removed:
                self.removed = True
                nodes.remove_node(first, allow_graceful=False)

    watcher = Removing()
    summary = run(
        graph, out=str(tmp_path / "out"), options=RunOptions("ray", ray_address=nodes.address), watcher=watcher
    )
    assert (summary.slices, watcher.slices) == (30, 30)
    assert not ray.is_initialized(), "a run that joined a cluster leaves it"
    assert dataset_bytes(tmp_path / "local") == dataset_bytes(tmp_path / "out")
    assert verify(str(tmp_path / "out")) == []
