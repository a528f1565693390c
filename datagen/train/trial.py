"""What a training would take: its samples, and one step of it, of which nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from datagen.train.config import TrainConfig
from datagen.train.gradients import Gradients
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
    gradients = Gradients(config)
    batches, net = prepared.batches(), gradients.net
    seconds = loss = 0.0
    for step in range(2):
        begun = time.perf_counter()
        loss = gradients.add(batches[step], torch.Generator().manual_seed(step))
        seconds = time.perf_counter() - begun
    parameters = sum(weight.numel() for weight in net.parameters())
    held = sum(weight.numel() * weight.element_size() for weight in net.parameters())
    copies = sum(_COPIES.values()) + bool(config.ema)
    return Trial([*prepared.summary()], parameters, copies * held, seconds, loss, str(gradients.device), config.steps)
