"""Workers of a Ray cluster train the weights that processes of one machine train, also where one is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray
import torch
from finished import finished
from training_runs import Followed, same, small_training, steps_in

from datagen.core.errors import ConfigError, DataError
from datagen.execute.engines.cluster import joined_ray
from datagen.train.config import TrainConfig
from datagen.train.loop import StepReport, train
from datagen.train.models.small_net import SmallEditPipeline

pytestmark = [
    pytest.mark.torch,
    pytest.mark.ray,
    # Ray's own default for Ray Data, which Ray Train imports
    pytest.mark.filterwarnings("ignore:.use_.* is deprecated:DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    with joined_ray():
        yield


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def config_of(edits: Path, place: Path, **more: Any) -> TrainConfig:
    return small_training(edits, place, **{"micro_batch": 2, "processes": 2, "device": "cpu", "threads": 1, **more})


def weights_of(place: Path) -> dict[str, torch.Tensor]:
    return dict(SmallEditPipeline.from_pretrained(str(place / "model")).net.state_dict())


def worker_pids() -> list[int]:
    names = {each.pid: " ".join(each.cmdline()) for each in psutil.Process().children(recursive=True)}
    return [pid for pid, name in names.items() if "RayTrainWorker" in name]


class WorkerKiller(Followed):
    """Kills a worker after the third step."""

    def __init__(self) -> None:
        super().__init__()
        self.killed = threading.Event()

    def on_step(self, report: StepReport) -> None:
        super().on_step(report)
        if report.step == 3 and not self.killed.is_set():
            self.killed.set()
            os.kill(worker_pids()[-1], signal.SIGKILL)


def test_workers_train_the_weights_of_processes(edits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # workers start elsewhere, and relative paths count from here all the same
    followed = Followed()
    model = train(config_of(Path(os.path.relpath(edits)), Path("on_ray")), watcher=followed, on_cluster=True)
    train(config_of(edits, tmp_path / "here"), watcher=Followed())
    assert model == Path("on_ray") / "model"
    assert same(weights_of(tmp_path / "on_ray"), weights_of(tmp_path / "here"))
    assert steps_in(tmp_path / "on_ray") == steps_in(tmp_path / "here")
    assert [report.step for report in followed.steps] == [1, 2, 3, 4, 5]


@pytest.mark.full  # it starts workers three times
def test_where_a_worker_is_lost_all_go_on_from_the_newest_checkpoint(edits: Path, tmp_path: Path) -> None:
    followed = WorkerKiller()
    config = config_of(edits, tmp_path, steps=40, checkpoints={"every": 2})
    train(config, watcher=followed, on_cluster=True)
    steps = [report.step for report in followed.steps]
    again = [text for text in followed.texts if text.startswith(("a worker was lost", "resumed after"))]
    assert len(again) == 2, followed.texts
    assert sorted(set(steps)) == list(range(1, 41))
    assert len(steps) < 60, "it went on from a checkpoint"
    unbroken = tmp_path / "unbroken"
    train(config_of(edits, unbroken, steps=40, checkpoints={"every": 2}), watcher=Followed())
    assert same(weights_of(tmp_path), weights_of(unbroken))
    assert steps_in(tmp_path) == steps_in(unbroken)


def test_a_cluster_that_is_too_small_is_named(edits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of(edits, tmp_path)
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 1.0})
    with pytest.raises(ConfigError, match="processes: 2 are wanted, and the cluster has 1 cores"):
        train(config, watcher=Followed(), on_cluster=True)
    with pytest.raises(ConfigError, match="processes: 2 are wanted, and the cluster has 0 GPUs"):
        train(config_of(edits, tmp_path / "gpu", device="cuda"), watcher=Followed(), on_cluster=True)


@pytest.mark.full  # it starts workers once more
def test_a_damaged_picture_ends_the_training_with_its_name(tmp_path: Path) -> None:
    edits = finished(tmp_path / "edits")
    [shard] = (edits / "shards").glob("train-*.tar")
    data = bytearray(shard.read_bytes())
    for start in range(len(data)):
        if data[start : start + 8] == b"\x89PNG\r\n\x1a\n":
            data[start + 40 : start + 60] = bytes(20)
    shard.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a picture of sample '.*' is damaged"):
        train(config_of(edits, tmp_path / "out"), watcher=Followed(), on_cluster=True)
