"""What a training would take: its samples, and one step of it, of which nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from datagen.train.config import TrainConfig
from datagen.train.loop import device_of
from datagen.train.preparation import prepare

_COPIES = {"weights": 1, "gradients": 1, "optimizer": 2}
"""How often AdamW holds what a weight takes."""


@dataclass(frozen=True)
class Trial:
    """What was found."""

    samples: list[str]
    """Lines on what is trained on."""
    parameters: int
    state_bytes: int
    """Weights, gradients, optimizer, and running mean; what a step holds besides is not among it."""
    seconds_a_step: float
    loss: float
    device: str
    steps: int

    def as_json(self) -> dict[str, Any]:
        """For a script to read."""
        return {**self.__dict__}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield from self.samples
        yield f"{self.parameters:,} parameters; {self.state_bytes / 1e6:,.0f} MB for weights, gradients and optimizer"
        hours = self.seconds_a_step * self.steps / 3600
        yield f"a step on {self.device}: {self.seconds_a_step:.2f} s (loss {self.loss:.4g}); all of them {hours:.2f} h"


def try_out(config: TrainConfig) -> Trial:
    """Prepare a training and take two steps, of which the second is timed. Writes nothing; raises as `train` does."""
    prepared = prepare(config)
    device = device_of(config.device)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    net = config.model.build().to(device)
    batches = prepared.batches()
    seconds = loss = 0.0
    size = config.micro_batch or config.batch_size
    for step in range(2):
        begun = time.perf_counter()
        examples = batches[step]
        loss = 0.0
        for start in range(0, len(examples), size):
            batch = {
                name: value.to(device) for name, value in config.model.batch(examples[start : start + size]).items()
            }
            losses, _ = config.model.losses(net, batch, torch.Generator().manual_seed(step))
            share = losses.sum() / len(examples)
            share.backward()  # type: ignore[no-untyped-call]
            loss += float(share.detach())
        seconds = time.perf_counter() - begun
    parameters = sum(weight.numel() for weight in net.parameters())
    held = sum(weight.numel() * weight.element_size() for weight in net.parameters())
    copies = sum(_COPIES.values()) + bool(config.ema)
    return Trial([*prepared.summary()], parameters, copies * held, seconds, loss, str(device), config.steps)
