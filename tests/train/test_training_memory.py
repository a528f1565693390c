"""Memory: what is estimated before the first step, what gradient checkpointing saves, and running out of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from finished import finished
from torch import nn
from training_runs import Followed, ip2p_family, ip2p_training, steps_in

from datagen.core.errors import ConfigError, SetupError
from datagen.train import memory, trial
from datagen.train.data.examples import TrainingExample
from datagen.train.gradients import Gradients, enable_gradient_checkpointing
from datagen.train.loop import train
from datagen.train.memory import MemoryEstimate, peak_of, remedies
from datagen.train.models.ip2p import Ip2pConfig
from datagen.train.trial import try_out

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("edits") / "out")


def examples(number: int, *, side: int = 64) -> list[TrainingExample]:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (number, 2, side, side, 3), np.uint8)
    return [TrainingExample("k", *pair, (), "red", "red", (), False) for pair in pictures]


def test_the_peak_is_that_of_the_tensors_that_are_held() -> None:
    net = nn.Sequential(nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 100))

    def step(number: int) -> int:
        for weight in net.parameters():
            weight.grad = torch.zeros_like(weight)
        return peak_of(lambda: net(torch.randn(number, 100)).sum().backward(), net)

    row = 100 * 4
    each = (step(2000) - step(1000)) / 1000
    assert 3 * row <= each <= 5 * row  # input, hidden, its ReLU, output, and what the gradient needs of them
    held = [torch.zeros(1000)]
    assert peak_of(lambda: held.append(torch.zeros(5000)), net) == 20_000
    assert peak_of(lambda: [torch.zeros(5000).sum() for _ in range(9)], net) < 25_000  # freed one after the other


def test_gradient_checkpointing_takes_less_and_gives_the_same(edits: Path, folder: Path, tmp_path: Path) -> None:
    plain = Gradients(ip2p_training(edits, tmp_path, folder, batch_size=4))
    saving = Gradients(ip2p_training(edits, tmp_path, folder, batch_size=4, gradient_checkpointing=True))
    peaks = []
    family: Any = ip2p_family(folder)
    for gradients in (plain, saving):
        gradients.add(examples(4), seed=1)
        gradients.model.zero_grad()
        gradients.train_mode()
        encoded = gradients._encoded(examples(4))

        def step(gradients: Gradients = gradients, encoded: Any = encoded) -> None:
            family.losses(gradients.model, encoded, torch.Generator().manual_seed(1))[0].mean().backward()

        peaks.append(peak_of(step, gradients.model))
    assert peaks[1] < 0.8 * peaks[0]
    for name, weight in plain.trained().items():
        torch.testing.assert_close(saving.trained()[name].grad, weight.grad)


def test_it_trains_alike_with_gradient_checkpointing(edits: Path, folder: Path, tmp_path: Path) -> None:
    train(ip2p_training(edits, tmp_path / "a", folder), watcher=Followed())
    train(ip2p_training(edits, tmp_path / "b", folder, gradient_checkpointing=True), watcher=Followed())
    losses = [[row["loss"] for row in steps_in(tmp_path / name) if "loss" in row] for name in ("a", "b")]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_model_that_cannot_checkpoint_is_named() -> None:
    with pytest.raises(ConfigError, match="gradient_checkpointing: no trained network"):
        enable_gradient_checkpointing(nn.Linear(2, 2))


def test_the_estimate_grows_with_what_is_computed_at_once(edits: Path, folder: Path, tmp_path: Path) -> None:
    found = try_out(ip2p_training(edits, tmp_path / "out", folder, batch_size=4))
    assert found.memory.of_two > found.memory.of_one > 0
    config = ip2p_training(edits, tmp_path / "out", folder, batch_size=4)
    gradients = Gradients(config)
    gradients.train_mode()
    batch = trial.prepare(config).batches()[0]
    gradients.add(batch, seed=0)
    measured = peak_of(lambda: gradients.add(batch, seed=0), gradients.model)
    estimated = found.memory.total(4) - found.memory.state
    smaller = batch[0].source[..., 0].size / (48 * 32)  # it is of the largest size
    assert estimated * smaller == pytest.approx(measured, rel=0.15)
    assert "memory, estimated:" in "\n".join(found.lines())
    assert found.fits
    assert not (tmp_path / "out").exists()


def test_what_does_not_fit_is_said_before_the_first_step(
    edits: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ip2p_training(edits, tmp_path, folder, batch_size=8)
    there = try_out(config).memory
    monkeypatch.setattr(trial, "available_bytes", lambda _: there.total(3))
    found = try_out(config)
    assert not found.fits
    assert found.seconds_a_step is None
    text = "\n".join(found.lines())
    assert "that does not fit: set micro_batch: " in text
    assert "or gradient_checkpointing: true" in text
    assert found.as_json()["fits"] is False


def test_how_many_fit_at_once() -> None:
    estimate = MemoryEstimate(state=100, of_one=30, of_two=40, available=170)
    assert [estimate.total(number) for number in (1, 2, 5)] == [130, 140, 170]
    assert estimate.most_at_once() == 5
    assert replace(estimate, available=129).most_at_once() == 0


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError(),
     RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")],
)  # fmt: skip
def test_running_out_of_memory_says_what_to_lower(
    edits: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Ip2pConfig, "losses", full)
    remedy = r"set micro_batch: 1, or gradient_checkpointing: true, or precision: bf16, or smaller data\.sizes"
    with pytest.raises(SetupError, match=rf"out of memory with 2 samples at once \(.*\); {remedy}"):
        train(ip2p_training(edits, tmp_path, folder), watcher=Followed())


def test_other_errors_are_not_taken_for_it(edits: Path, folder: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="shape"),
        memory.memory_errors_explained(ip2p_training(edits, tmp_path, folder)),
    ):
        raise RuntimeError("shapes do not match")


def test_remedies_are_what_is_not_done_yet(edits: Path, folder: Path, tmp_path: Path) -> None:
    config = ip2p_training(edits, tmp_path, folder, micro_batch=1, gradient_checkpointing=True, device="cpu")
    assert remedies(config) == "smaller data.sizes"
    assert remedies(ip2p_training(edits, tmp_path, folder, batch_size=9), at_once=4).startswith("micro_batch: 4, or")
    assert "micro_batch" not in remedies(ip2p_training(edits, tmp_path, folder, batch_size=9), at_once=0)
