"""The losses and the gradient of a batch, on the device and with the precision that a config names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from datagen.core.errors import ConfigError
from datagen.train.config import TrainConfig
from datagen.train.data.examples import TrainingExample
from datagen.train.encodings import EncodingStore, encoding_revision
from datagen.train.memory import memory_errors_explained


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
        if config.threads or config.processes > 1:  # processes with all cores each would stand in each other's way
            torch.set_num_threads(config.threads or max(1, (os.cpu_count() or 1) // config.processes))
        torch.manual_seed(config.seed)
        self.model: nn.Module = config.model.build().to(self.device)
        if config.gradient_checkpointing:
            enable_gradient_checkpointing(self.model)
        self.encodings = self._encoding_store(config.data.keep_encoded) if config.data.keep_encoded else None

    def _encoding_store(self, address: str) -> EncodingStore:
        config = self._config
        revision = encoding_revision(config.model, self.model, precision=config.precision, device=self.device.type)
        return EncodingStore(address, revision=revision)

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by name."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def train_mode(self) -> None:
        """Switch on what differs in training, such as dropout, in the parts that are trained and in no others."""
        self.model.eval()
        for part in self.model.children():
            part.train(any(weight.requires_grad for weight in part.parameters()))

    def losses(
        self, examples: Sequence[TrainingExample], *, seed: int, first: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The losses and times of examples of one size, as many at once as the config allows.

        What is drawn for those that are computed together follows from `seed` and the place of the first of them;
        `first` is that of `examples[0]` in the whole batch. Raises `SetupError` if there is not enough memory.
        """
        size = self._config.micro_batch or self._config.batch_size
        for start in range(0, len(examples), size):
            drawn = seed_of(seed, first + start)
            torch.manual_seed(drawn)
            with self._precision(), memory_errors_explained(self._config):
                encoded = self._encoded(examples[start : start + size])
                found = self._config.model.losses(self.model, encoded, torch.Generator().manual_seed(drawn))
            yield found

    def add(self, examples: Sequence[TrainingExample], *, seed: int, rank: int = 0, ranks: int = 1) -> float:
        """Add the gradient of the mean loss of examples of one size to that of the model; the mean loss.

        If `ranks` processes share the batch, these are the examples of one of them, and sums over all are the means.
        """
        mean = 0.0
        for losses, _ in self.losses(examples, seed=seed, first=rank * len(examples)):
            share = losses.sum() / (len(examples) * ranks)
            with memory_errors_explained(self._config):
                share.backward()  # type: ignore[no-untyped-call]
            mean += float(share.detach())
        return mean

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._config.precision == "bf16")

    @torch.no_grad()
    def _encoded(self, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
        if not self.encodings:
            return self._encode(examples)
        rows = []
        for example in examples:
            found = self.encodings.find(example)
            if found is None:
                found = {name: value[0] for name, value in self._encode([example]).items()}
                self.encodings.put(example, found)
            rows.append(found)
        return {name: torch.stack([row[name].to(self.device) for row in rows]) for name in rows[0]}

    def _encode(self, examples: Sequence[TrainingExample]) -> dict[str, Tensor]:
        batch = self._config.model.batch(self.model, examples)
        return self._config.model.encode(self.model, {name: value.to(self.device) for name, value in batch.items()})


def enable_gradient_checkpointing(model: nn.Module) -> None:
    """Let each trained network that can do so compute twice instead of holding what it computed.

    Raises `ConfigError` if none can.
    """
    able: list[Any] = [
        part
        for part in model.modules()
        if (
            getattr(part, "_supports_gradient_checkpointing", False)
            or getattr(part, "supports_gradient_checkpointing", False)
        )
        and any(weight.requires_grad for weight in part.parameters())
    ]
    if not able:
        raise ConfigError("gradient_checkpointing: no trained network of this model can do it; set it to false")
    for part in able:
        # By diffusers' name, by that of transformers, and by its earlier one.
        names = ("enable_gradient_checkpointing", "activation_checkpointing_enable", "gradient_checkpointing_enable")
        next(method for name in names if (method := getattr(part, name, None)))()


def seed_of(*numbers: int) -> int:
    """A seed of 63 bits for some numbers, such as a training's seed and a step."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
