"""The losses and the gradient of a batch, on the device and with the precision that a config names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from datagen.core.errors import ConfigError
from datagen.train.config import TrainConfig
from datagen.train.data.examples import TrainingExample


def device_of(name: str) -> torch.device:
    """The device of a config. Raises `ConfigError` if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device: '{name}' cannot be used: {str(error).splitlines()[0]}") from error


class Gradients:
    """A net with random weights, and how its losses and gradients are computed."""

    def __init__(self, config: TrainConfig) -> None:
        """Make the net. Raises `ConfigError` if the device is not there."""
        self._config = config
        self.device = device_of(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.net: nn.Module = config.model.build().to(self.device)

    def losses(
        self, examples: Sequence[TrainingExample], generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The losses and times of examples of one size, as many at once as the config allows."""
        size = self._config.micro_batch or self._config.batch_size
        for start in range(0, len(examples), size):
            batch = self._config.model.batch(examples[start : start + size])
            there = {name: value.to(self.device) for name, value in batch.items()}
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._config.precision == "bf16"):
                found = self._config.model.losses(self.net, there, generator)
            yield found

    def add(self, examples: Sequence[TrainingExample], generator: torch.Generator) -> float:
        """Add the gradient of the mean loss of examples of one size to that of the net; the mean loss."""
        mean = 0.0
        for losses, _ in self.losses(examples, generator):
            share = losses.sum() / len(examples)
            share.backward()  # type: ignore[no-untyped-call]
            mean += float(share.detach())
        return mean
