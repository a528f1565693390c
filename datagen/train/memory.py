"""How much memory a training takes, how much there is, and what to lower."""

from __future__ import annotations

import os
import resource
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from datagen.core.errors import SetupError
from datagen.train.config import TrainConfig


@dataclass(frozen=True)
class MemoryEstimate:
    """Bytes that a training takes."""

    state: int
    """Weights, gradients, optimizer and running mean."""
    of_one: int
    """What a computation of one example holds besides, at its peak."""
    of_two: int
    available: int
    """What the device has free for this process, the state included."""

    def total(self, examples: int) -> int:
        """Bytes in a step that computes so many examples at once."""
        return self.state + self.of_one + (examples - 1) * max(0, self.of_two - self.of_one)

    def most_at_once(self) -> int:
        """How many examples at once fit; 0 if one does not."""
        if self.total(1) > self.available:
            return 0
        each = max(1, self.of_two - self.of_one)
        return 1 + (self.available - self.total(1)) // each


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors on the CPU that computations make and that are still there."""

    def __init__(self, before: Iterable[Tensor]) -> None:
        """The storages of `before` are not counted."""
        super().__init__()  # type: ignore[no-untyped-call]
        self._known = {tensor.untyped_storage()._cdata: 0 for tensor in before}
        self._live = 0
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        for value in tree_leaves(found):
            if isinstance(value, Tensor):
                self._add(value.untyped_storage())
        return found

    def _add(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self._known:
            self._known[storage._cdata] = storage.nbytes()
            self._live += storage.nbytes()
            self.peak = max(self.peak, self._live)
            weakref.finalize(storage, self._remove, storage._cdata).atexit = False

    def _remove(self, number: int) -> None:
        self._live -= self._known.pop(number)


def peak_of(call: Callable[[], object], model: nn.Module) -> int:
    """The largest number of bytes that tensors take during a call beyond those of the model and its gradients.

    What libraries hold beside tensors is not seen.
    """
    weights = [*model.parameters(), *model.buffers()]
    device = weights[0].device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return int(torch.cuda.max_memory_allocated(device) - before)
    counted = _LiveBytes([*weights, *(weight.grad for weight in weights if weight.grad is not None)])
    with counted:
        call()
    return counted.peak


def available_bytes(device: torch.device) -> int:
    """Bytes that this process may take on a device, those that it has included."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free + torch.cuda.memory_reserved(device))
    return _free_of_machine() + _resident()


def _free_of_machine() -> int:
    """What the machine can give without swapping, in bytes; where it does not say, all that it has."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _resident() -> int:
    """Main memory that this process has, in bytes; 0 where the machine does not say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def peak_bytes(device: torch.device) -> int:
    """The most that this process took so far: of the GPU by tensors, or of main memory altogether."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def remedies(config: TrainConfig, *, at_once: int | None = None) -> str:
    """What to change in a config so that it takes less memory; `at_once` is how many examples would fit, if known."""
    size = config.micro_batch or config.batch_size
    fewer = max(1, size // 2) if at_once is None else at_once
    found = [f"micro_batch: {fewer}"] if size > fewer >= 1 else []
    if not config.gradient_checkpointing:
        found.append("gradient_checkpointing: true")
    if config.precision == "fp32" and config.device != "cpu":
        found.append("precision: bf16")
    return ", or ".join([*found, "smaller data.sizes"])


@contextmanager
def memory_errors_explained(config: TrainConfig) -> Iterator[None]:
    """Raise `SetupError` that says what to lower where the block runs out of memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in text:
            raise
        first = text.splitlines()[0] if text else type(error).__name__
        size = config.micro_batch or config.batch_size
        raise SetupError(
            f"out of memory with {size} samples at once ({first[:200]}); set {remedies(config)}; "
            "`--dry-run` estimates what fits"
        ) from error
