"""Several processes of one machine that train together: each computes its share of a batch, and gradients are summed.

Every process holds all weights and makes the same update. The first one is the process that the user started: it alone
chooses the samples, evaluates, stores and reports. The others end with it.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from torch import distributed, nn

from datagen.core.errors import ConfigError, DataError, DatagenError
from datagen.train.config import TrainConfig
from datagen.train.gradients import device_of
from datagen.train.preparation import Prepared

PATIENCE = timedelta(days=1)
"""How long a process waits for the others, such as while the first one evaluates."""


class ProcessGroup:
    """One of `size` processes that train together."""

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank = rank
        self.size = size

    @property
    def leads(self) -> bool:
        """Whether it is the one that evaluates, stores and reports."""
        return self.rank == 0

    def sum_gradients(self, weights: Sequence[nn.Parameter], loss: float) -> float:
        """Replace the gradients by their sum over all processes; the sum of the losses.

        A weight that one process has no gradient of counts as zero there; it stays without one if none has.
        """
        if self.size == 1:
            return loss
        there = torch.tensor([loss, *(weight.grad is not None for weight in weights)], dtype=torch.float64)
        there = there.to(weights[0].device if weights[0].device.type == "cuda" else "cpu")
        distributed.all_reduce(there)
        total, *holders = there.tolist()
        pending = []
        for weight, number in zip(weights, holders, strict=True):
            if number:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                pending.append(distributed.all_reduce(weight.grad, async_op=True))
        for work in pending:
            work.wait()
        return float(total)


Work = Callable[[Prepared, ProcessGroup], None]
"""What each of the other processes does. A function of a module, so that another process can import it."""


@contextmanager
def training_together(prepared: Prepared, work: Work) -> Iterator[tuple[Prepared, ProcessGroup]]:
    """Start the other processes of a training; what is prepared, with this process' own device, and its group.

    Raises `ConfigError` if there are too few GPUs, and `DataError` if another process ends early.
    """
    config = prepared.config
    if config.processes == 1:
        yield prepared, ProcessGroup()
        return
    device = device_of(config.device)
    if device.type == "cuda" and torch.cuda.device_count() < config.processes:
        raise ConfigError(f"processes: {config.processes} are wanted, and there are {torch.cuda.device_count()} GPUs")
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        place = str(Path(folder) / "rendezvous")
        others, reports = [], []
        for rank in range(1, config.processes):
            report, theirs = spawn.Pipe(duplex=False)
            arguments = (_on_device(prepared, device, rank), work, rank, place, theirs)
            other = spawn.Process(target=_take_part, args=arguments, daemon=True)
            other.start()
            theirs.close()
            others.append(other)
            reports.append(report)
        try:
            own = _on_device(prepared, device, 0)
            with _joined(own.config, rank=0, place=place) as group:
                yield own, group
        except RuntimeError as error:  # what torch raises if a connection is closed
            raise DataError(_fault_of(others, reports) or f"the processes lost each other: {error}") from error
        finally:
            for other in others:
                other.kill()
                other.join()


def _on_device(prepared: Prepared, device: torch.device, rank: int) -> Prepared:
    name = f"cuda:{rank}" if device.type == "cuda" else str(device)
    return replace(prepared, config=prepared.config.model_copy(update={"device": name}))


@contextmanager
def _joined(config: TrainConfig, *, rank: int, place: str) -> Iterator[ProcessGroup]:
    backend = "nccl" if config.device.startswith("cuda") else "gloo"
    if backend == "nccl":
        torch.cuda.set_device(torch.device(config.device))
    distributed.init_process_group(
        backend, init_method=f"file://{place}", rank=rank, world_size=config.processes, timeout=PATIENCE
    )
    try:
        yield ProcessGroup(rank, config.processes)
    finally:
        distributed.destroy_process_group()


def _take_part(prepared: Prepared, work: Work, rank: int, place: str, report: Connection) -> None:
    """What another process runs. A Ctrl-C, which reaches it as well, is left to the first one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with _joined(prepared.config, rank=rank, place=place) as group:
            work(prepared, group)
    except DatagenError as error:
        report.send(str(error))
    except RuntimeError as error:
        report.send(f"{type(error).__name__}: {error}")


def _fault_of(others: Sequence[Any], reports: Sequence[Connection]) -> str:
    """What is known of a process that ended early; '' if none did."""
    ended = wait([other.sentinel for other in others], timeout=10)
    for rank, (other, report) in enumerate(zip(others, reports, strict=True), start=1):
        if other.sentinel in ended:
            other.join()  # its files are closed a moment before its exit code is there
            try:
                why = report.recv()
            except EOFError:  # it was killed
                why = f"it ended with {other.exitcode}"
            return f"process {rank} of {len(others) + 1}: {why}; checkpoints are still there, the same command goes on"
    return ""
