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
    """A model as it is before training, and how its losses and gradients are computed."""

    def __init__(self, config: TrainConfig) -> None:
        """Make the model. Raises `ConfigError` if the device is not there, `SetupError` if weights are not."""
        self._config = config
        self.device = device_of(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self.model: nn.Module = config.model.build().to(self.device)

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def train_mode(self) -> None:
        """Switch on what differs in training, such as dropout, in the parts that are trained and in no others."""
        self.model.eval()
        for part in self.model.children():
            part.train(any(weight.requires_grad for weight in part.parameters()))

    def losses(
        self, examples: Sequence[TrainingExample], generator: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The losses and times of examples of one size, as many at once as the config allows."""
        family, size = self._config.model, self._config.micro_batch or self._config.batch_size
        for start in range(0, len(examples), size):
            batch = family.batch(self.model, examples[start : start + size])
            there = {name: value.to(self.device) for name, value in batch.items()}
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._config.precision == "bf16"):
                with torch.no_grad():
                    encoded = family.encode(self.model, there)
                found = family.losses(self.model, encoded, generator)
            yield found

    def add(self, examples: Sequence[TrainingExample], generator: torch.Generator) -> float:
        """Add the gradient of the mean loss of examples of one size to that of the model; the mean loss."""
        mean = 0.0
        for losses, _ in self.losses(examples, generator):
            share = losses.sum() / len(examples)
            share.backward()  # type: ignore[no-untyped-call]
            mean += float(share.detach())
        return mean
