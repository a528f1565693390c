"""What a training would take: its samples, memory, and one step of it, of which nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from datagen.core.errors import SetupError
from datagen.train.config import TrainConfig
from datagen.train.data.examples import TrainingExample
from datagen.train.gradients import Gradients
from datagen.train.memory import MemoryEstimate, available_bytes, memory_errors_explained, peak_of, remedies
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
    memory: MemoryEstimate
    at_once: int
    """Samples that are computed at once."""
    remedies: str
    """What to lower if that does not fit."""
    seconds_a_step: float | None
    """None if it does not fit, so that no step was taken."""
    loss: float | None
    device: str
    steps: int

    @property
    def fits(self) -> bool:
        """Whether there is enough memory, by the estimate."""
        return self.memory.total(self.at_once) <= self.memory.available

    def as_json(self) -> dict[str, Any]:
        """For a script to read."""
        return {**asdict(self), "memory_bytes": self.memory.total(self.at_once), "fits": self.fits}

    def lines(self) -> Iterator[str]:
        """For people."""
        yield from self.samples
        some = "" if self.trained == self.parameters else f", {self.trained:,} of them trained"
        held = f"{self.memory.state / 1e6:,.0f} MB for weights, gradients and optimizer"
        yield f"{self.parameters:,} parameters{some}; {held}"
        needed, there = self.memory.total(self.at_once) / 1e6, self.memory.available / 1e6
        each = max(0, self.memory.of_two - self.memory.of_one) / 1e6
        yield (
            f"memory, estimated: {needed:,.0f} MB with {self.at_once} samples at once, {each:,.1f} for each of them; "
            f"{self.device} has {there:,.0f}"
        )
        if not self.fits:
            yield f"that does not fit: set {self.remedies}"
        if self.seconds_a_step is not None:
            hours = self.seconds_a_step * self.steps / 3600
            took = f"{self.seconds_a_step:.2f} s (loss {self.loss:.4g})"
            yield f"a step on {self.device}: {took}; all of them {hours:.2f} h"


def try_out(config: TrainConfig) -> Trial:
    """Prepare a training, estimate its memory, and take two steps if it fits, of which the second is timed.

    Writes nothing; raises as `train` does.
    """
    prepared = prepare(config)
    config = config.model_copy(update={"data": config.data.model_copy(update={"keep_encoded": None})})
    with memory_errors_explained(config):
        gradients = Gradients(config)
    batches = prepared.batches(ranks=config.processes)
    examples = batches[0]
    memory = _estimate(gradients, examples, config)
    at_once = min(config.micro_batch or config.batch_size, config.batch_size)
    seconds = loss = None
    if memory.total(at_once) <= memory.available:
        for step in range(2):
            begun = time.perf_counter()
            loss = gradients.add(batches[step] if step else examples, seed=step)
            seconds = time.perf_counter() - begun
    every = [*gradients.model.parameters()]
    return Trial(
        [*prepared.summary()],
        parameters=sum(weight.numel() for weight in every),
        trained=sum(weight.numel() for weight in gradients.trained().values()),
        memory=memory,
        at_once=at_once,
        remedies=remedies(config, at_once=memory.most_at_once()),
        seconds_a_step=seconds,
        loss=loss,
        device=str(gradients.device),
        steps=config.steps,
    )


def _estimate(gradients: Gradients, examples: list[TrainingExample], config: TrainConfig) -> MemoryEstimate:
    """Measured with one and with two examples at once; of the largest of the sizes if these differ."""
    every, trained = [*gradients.model.parameters()], [*gradients.trained().values()]
    copies = sum(_COPIES.values()) + bool(config.ema)
    state = _bytes_of(every) + (copies - 1) * _bytes_of(trained)
    scale = max(width * height for width, height in config.data.sizes) / examples[0].source[..., 0].size
    available = available_bytes(gradients.device)
    gradients.train_mode()

    def peak(number: int) -> int:
        some = [examples[place % len(examples)] for place in range(number)]
        return int(scale * peak_of(lambda: gradients.add(some, seed=0), gradients.model))

    try:
        gradients.add(examples[:1], seed=0)  # afterwards the gradients are there, which belong to the state
        return MemoryEstimate(state, peak(1), peak(2), available)
    except SetupError:
        return MemoryEstimate(state, available, 2 * available, available)


def _bytes_of(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights)
