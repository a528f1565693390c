"""What a training would take: its samples, and one step of it, of which nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

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
    trained: int
    """Of these, the ones that are trained."""
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
        some = "" if self.trained == self.parameters else f", {self.trained:,} of them trained"
        held = f"{self.state_bytes / 1e6:,.0f} MB for weights, gradients and optimizer"
        yield f"{self.parameters:,} parameters{some}; {held}"
        hours = self.seconds_a_step * self.steps / 3600
        yield f"a step on {self.device}: {self.seconds_a_step:.2f} s (loss {self.loss:.4g}); all of them {hours:.2f} h"


def try_out(config: TrainConfig) -> Trial:
    """Prepare a training and take two steps, of which the second is timed. Writes nothing; raises as `train` does."""
    prepared = prepare(config)
    gradients = Gradients(config)
    batches = prepared.batches()
    seconds = loss = 0.0
    for step in range(2):
        begun = time.perf_counter()
        loss = gradients.add(batches[step], torch.Generator().manual_seed(step))
        seconds = time.perf_counter() - begun
    every, trained = [*gradients.model.parameters()], [*gradients.trained().values()]
    copies = sum(_COPIES.values()) + bool(config.ema)
    held = _bytes_of(every) + (copies - 1) * _bytes_of(trained)
    return Trial(
        [*prepared.summary()],
        parameters=sum(weight.numel() for weight in every),
        trained=sum(weight.numel() for weight in trained),
        state_bytes=held,
        seconds_a_step=seconds,
        loss=loss,
        device=str(gradients.device),
        steps=config.steps,
    )


def _bytes_of(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights)
