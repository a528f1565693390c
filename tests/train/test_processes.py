"""Several processes that train together: the weights of one process, exact resumption, and one that dies."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from finished import finished
from pydantic import ValidationError
from training_runs import Followed, same, small_training, steps_in

from datagen.core.errors import DataError
from datagen.train.config import TrainConfig
from datagen.train.loop import StepReport, train
from datagen.train.models.small_net import SmallEditPipeline
from datagen.train.processes import ProcessGroup

pytestmark = [pytest.mark.torch, pytest.mark.subprocess]


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def config_of(edits: Path, place: Path, **more: Any) -> TrainConfig:
    return small_training(edits, place, **{"micro_batch": 2, "processes": 2, "device": "cpu", **more})


def weights_of(model: Path) -> dict[str, torch.Tensor]:
    return dict(SmallEditPipeline.from_pretrained(str(model)).net.state_dict())


def test_two_processes_train_the_weights_of_one_and_resume_to_the_bit(edits: Path, tmp_path: Path) -> None:
    alone = train(config_of(edits, tmp_path / "alone", processes=1), watcher=Followed())
    followed = Followed()
    together = train(config_of(edits, tmp_path / "together"), watcher=followed)
    shared = weights_of(together)
    for name, value in weights_of(alone).items():
        torch.testing.assert_close(shared[name], value, rtol=1e-4, atol=1e-5)
    assert [report.step for report in followed.steps] == [1, 2, 3, 4, 5]
    losses = [[row["loss"] for row in steps_in(tmp_path / name) if "loss" in row] for name in ("alone", "together")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    config = config_of(edits, tmp_path / "broken")
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed(stop_after=3))
    assert not multiprocessing.active_children()
    assert same(weights_of(train(config, watcher=Followed())), shared)
    assert steps_in(tmp_path / "broken") == steps_in(tmp_path / "together")


class Killer(Followed):
    """Kills the other process after a step."""

    def on_step(self, report: StepReport) -> None:
        super().on_step(report)
        if report.step == 2:
            [other] = multiprocessing.active_children()
            other.kill()


def test_a_process_that_dies_is_named_and_the_training_goes_on_later(edits: Path, tmp_path: Path) -> None:
    config = config_of(edits, tmp_path / "out")
    with pytest.raises(DataError, match=r"process 1 of 2: it ended with -9; .* the same command goes on"):
        train(config, watcher=Killer())
    followed = Followed()
    train(config, watcher=followed)
    assert [report.step for report in followed.steps] == [3, 4, 5]


def test_one_process_alone_sums_nothing() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    assert ProcessGroup().sum_gradients([weight], 0.5) == 0.5
    assert weight.grad is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"micro_batch": None}, "in parts of no given size; give a micro_batch"),
        ({"micro_batch": 4}, "2 cannot share a batch of 4 in parts of 4"),
        ({"processes": 3}, "3 cannot share a batch of 4 in parts of 2"),
        ({"device": "cuda:1"}, "'cuda:1' is one for all 2 processes"),
    ],
)
def test_a_batch_that_cannot_be_shared_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config_of(tmp_path, tmp_path, **change)
