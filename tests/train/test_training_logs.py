"""TensorBoard and Weights & Biases: what reaches them, also after an interruption, and a missing package."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from finished import finished
from training_runs import Followed, ip2p_training

from datagen.core.errors import SetupError
from datagen.train.logs import numbers_of
from datagen.train.loop import train

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def test_the_numbers_of_a_row_have_names() -> None:
    row = {"step": 3, "loss": 0.5, "by_time": [0.1, None, 0.3]}
    assert dict(numbers_of(row)) == {"loss": 0.5, "by_time/0": 0.1, "by_time/2": 0.3}


def test_tensorboard_reads_metrics_and_pictures_of_a_training_that_was_interrupted(
    edits: Path, folder: Path, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = ip2p_training(edits, tmp_path, folder, log=["tensorboard"])
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed(stop_after=3))
    (tmp_path / "checkpoints" / "step-00000003.pt").unlink()  # as if it had been killed: step 3 is done again
    train(config, watcher=Followed())
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    for name in ("loss", "samples_a_second", "peak_memory_mb", "learning_rate"):
        assert [event.step for event in events.Scalars(name)] == [1, 2, 3, 4]
    assert [event.step for event in events.Scalars("evaluation_loss")] == [4]
    assert events.Scalars("peak_memory_mb")[0].value > 50
    [picture] = events.Images("edits")
    assert (picture.step, picture.height) == (4, 32)


class FakeWandb:
    """Notes what a training sends, as the package would."""

    def __init__(self) -> None:
        self.begun: list[dict[str, Any]] = []
        self.rows: list[tuple[int, dict[str, Any]]] = []
        self.ended = 0

    def init(self, **options: Any) -> Any:
        self.begun.append(options)
        return SimpleNamespace(id="run-7", log=lambda row, step: self.rows.append((step, row)), finish=self.finish)

    def finish(self) -> None:
        self.ended += 1

    def Image(self, picture: np.ndarray) -> Any:  # noqa: N802 - as the package calls it
        return picture.shape


def test_wandb_gets_metrics_and_pictures_and_goes_on_with_its_run(
    edits: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", fake)
    config = ip2p_training(edits, tmp_path, folder, log=["wandb"])
    with pytest.raises(KeyboardInterrupt):
        train(config, watcher=Followed(stop_after=2))
    train(config, watcher=Followed())
    assert [options["id"] for options in fake.begun] == [None, "run-7"]
    assert fake.begun[0]["config"]["batch_size"] == 2
    assert [step for step, row in fake.rows if "loss" in row] == [1, 2, 3, 4]
    assert [row["edits"] for _, row in fake.rows if "edits" in row] == [(32, 96, 3)]
    assert fake.ended == 2


def test_a_missing_or_failing_package_is_named(
    edits: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ip2p_training(edits, tmp_path, folder, log=["wandb"])
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(SetupError, match=r"pip install 'datagen\[wandb\]'"):
        train(config, watcher=Followed())

    def offline(**_: Any) -> Any:
        raise OSError("no network")

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=offline))
    with pytest.raises(SetupError, match=r"OSError: no network\); run `wandb login`"):
        train(config, watcher=Followed())
