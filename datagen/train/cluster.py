"""A training whose processes are workers of a Ray cluster, by Ray Train.

Every worker holds all weights, as with `processes`; the first one evaluates, stores and reports. So datasets and the
training's folder have to lie where all machines of the cluster find them under one name: on shared storage, datasets
also in a bucket. Where a worker is lost, all begin again from the newest checkpoint.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from datagen.core.errors import ConfigError, DataError, DatagenError
from datagen.models.weights.packages import check_packages
from datagen.train.preparation import Prepared
from datagen.train.processes import PATIENCE, ProcessGroup

MOST_LOSSES = 3
"""Losses of workers without a step between them after which the training ends."""


Work = Callable[[Prepared, ProcessGroup, Any], None]
"""What each worker does, with what watches it. A function of a module, so that another process can import it."""


def train_on_cluster(prepared: Prepared, work: Work, *, watcher: Any, folder: Path) -> None:
    """Train in as many workers as the config's `processes`, on the cluster that this process has joined.

    What the first worker reports goes to `watcher`, from another thread. Raises `SetupError` if a package is missing,
    `ConfigError` if the cluster is too small, and `DataError` for an error of a worker, or if workers are lost again
    and again.
    """
    check_packages(["pandas"], extra="train")  # Ray Train wants it, and tells no user how to get it
    config = prepared.config
    use_gpu = _uses_gpu(config.device, config.processes)
    losses = 0
    while True:
        with _mailbox(watcher) as mail:
            fault = _attempt(prepared, work, mail=mail, use_gpu=use_gpu, folder=folder)
        if not fault:
            return
        if mail.error:
            raise DataError(mail.error)
        losses = 1 if mail.steps else losses + 1
        if losses > MOST_LOSSES:
            raise DataError(
                f"workers of the cluster were lost {losses} times without a step between: {fault}; checkpoints are "
                "still there, the same command goes on"
            )
        watcher.notify(f"a worker was lost: {fault}; all begin again from the newest checkpoint")


def _uses_gpu(device: str, processes: int) -> bool:
    """Whether workers have a GPU each. Raises `ConfigError` if there are too few GPUs or cores."""
    import ray

    there = ray.cluster_resources()  # type: ignore[no-untyped-call]
    gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 0))
    use_gpu = device == "cuda" or (device == "auto" and gpus > 0)
    if use_gpu and gpus < processes:
        raise ConfigError(f"processes: {processes} are wanted, and the cluster has {gpus} GPUs")
    if cores < processes:
        raise ConfigError(f"processes: {processes} are wanted, and the cluster has {cores} cores")
    return use_gpu


def _attempt(prepared: Prepared, work: Work, *, mail: _Mail, use_gpu: bool, folder: Path) -> str:
    """Train until all workers have ended; why they ended early, '' if they did not."""
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    trainer = TorchTrainer(
        _take_part,
        train_loop_config={"prepared": prepared, "work": work, "queue": mail.queue, "folder": os.getcwd()},
        torch_config=TorchConfig(timeout_s=int(PATIENCE.total_seconds())),
        scaling_config=ScalingConfig(num_workers=prepared.config.processes, use_gpu=use_gpu),
        run_config=RunConfig(name="workers", storage_path=str(folder.absolute() / "ray")),
    )
    try:
        trainer.fit()
    except Exception as error:  # Ray Train has a kind for each layer that something is lost in
        return str(error).strip().splitlines()[0][:300] or type(error).__name__
    return ""


def _take_part(arguments: dict[str, Any]) -> None:
    """What each worker runs."""
    from ray.train import get_context
    from ray.train.torch import get_device

    context = get_context()
    group = ProcessGroup(context.get_world_rank(), context.get_world_size())
    prepared: Prepared = arguments["prepared"]
    watcher = _SendingWatcher(arguments["queue"])
    try:
        os.chdir(arguments["folder"])  # from which the addresses of datasets and of the training count
    except OSError as error:
        watcher.fail(f"a machine of the cluster lacks {arguments['folder']}: run where all machines find it")
        raise DataError(str(error)) from error
    device = get_device()
    own = replace(prepared, config=prepared.config.model_copy(update={"device": str(device)}))
    try:
        arguments["work"](own, group, watcher)
    except DatagenError as error:
        watcher.fail(str(error))
        raise
    except (OSError, ValueError, TypeError, LookupError) as error:  # a `RuntimeError` is what losing another one gives
        watcher.fail(f"a worker of the cluster failed: {type(error).__name__}: {error}")
        raise


class _SendingWatcher:
    """Sends what a training reports through a queue of Ray, to where it was started."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue

    def on_step(self, report: Any) -> None:
        self._queue.put(("on_step", report))

    def on_evaluation(self, report: Any) -> None:
        self._queue.put(("on_evaluation", report))

    def notify(self, text: str) -> None:
        self._queue.put(("notify", text))

    def fail(self, error: str) -> None:
        """Say what is wrong with the data, the config or the machines."""
        self._queue.put(("fail", error))


class _Mail:
    """What arrived of an attempt."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.error = ""
        """What is wrong with the data or the config, by the worker that found it first."""
        self.steps = 0

    def take(self, watcher: Any, method: str, report: Any) -> None:
        """Hand a report on."""
        if method == "fail":
            self.error = self.error or report
            return
        self.steps += method == "on_step"
        getattr(watcher, method)(report)


@contextmanager
def _mailbox(watcher: Any) -> Iterator[_Mail]:
    """A queue whose reports reach the watcher while the block lasts, all of them by its end."""
    from ray.util.queue import Queue

    queue = Queue()
    mail = _Mail(queue)

    faults: list[Exception] = []

    def deliver() -> None:
        while (item := queue.get()) is not None:
            try:
                mail.take(watcher, *item)
            except Exception as error:  # a watcher's own; what arrives later is delivered all the same
                faults.append(error)

    thread = threading.Thread(target=deliver, daemon=True)
    thread.start()
    try:
        yield mail
    finally:
        queue.put(None)
        thread.join(timeout=60)
        queue.shutdown()
    if faults:
        raise faults[0]
