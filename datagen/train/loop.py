"""The training loop: from a config to a model, exactly resumable.

All that is drawn in a step is seeded by the step, so that a checkpoint needs no state of generators: weights, the
optimizer, and their running mean are all of it.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import filelock
import numpy as np
import torch
import yaml
from diffusers.training_utils import EMAModel
from PIL import Image as Pillow
from torch import nn

from datagen.core.errors import ConfigError, DataError, DatagenError, StoreError
from datagen.core.options import decisive
from datagen.train.checkpoints import Checkpoints
from datagen.train.config import TrainConfig
from datagen.train.data.examples import TrainingExample
from datagen.train.data.loading import loaded
from datagen.train.data.streaming import streamed
from datagen.train.editing import MODEL, save_model
from datagen.train.gradients import Gradients, seed_of
from datagen.train.logs import LOGS, TrainingLog
from datagen.train.memory import peak_bytes
from datagen.train.model_card import model_card
from datagen.train.preparation import Prepared, by_size, evaluation_examples, fingerprints_of, prepare
from datagen.train.processes import ProcessGroup, training_together

CONFIG, METRICS, GRIDS, CHECKPOINTS = "train.yaml", "metrics.jsonl", "grids", "checkpoints"
"""What lies in a training's folder."""
MOST_BAD_STEPS = 20
"""Steps in a row without a finite gradient after which the training ends."""
TIME_BINS = 4
"""Parts of the time from 0 to 1 by which the evaluation loss is shown."""


@dataclass(frozen=True)
class StepReport:
    """What one step did."""

    step: int
    """Steps that are done."""
    loss: float
    gradient: float
    """Norm of the gradient before it was clipped."""
    learning_rate: float
    samples_a_second: float
    peak_memory_mb: float
    """The most that was taken so far: of a GPU by tensors, or of main memory by the process."""


@dataclass(frozen=True)
class EvaluationReport:
    """The loss of what is looked at on the way."""

    step: int
    evaluation_loss: float
    by_time: list[float | None] = field(default_factory=list)
    """The loss by time, from little noise to nothing but noise; null for a part without a sample."""


class TrainingWatcher(Protocol):
    """Follows a training."""

    def on_step(self, report: StepReport) -> None:
        """A step is done."""

    def on_evaluation(self, report: EvaluationReport) -> None:
        """The samples for evaluation were looked at."""

    def notify(self, text: str) -> None:
        """Something worth a line."""


def train(config: TrainConfig, *, watcher: TrainingWatcher, on_cluster: bool = False) -> Path:
    """Train a model, from the newest checkpoint if there is one; the folder of the saved pipeline.

    With `on_cluster` its processes are workers of the Ray cluster that this process has joined. On an error amid the
    training and on KeyboardInterrupt the state is stored first; on a cluster the newest checkpoint is what is left.
    Raises `ConfigError` if the folder belongs to another config or another process, or no sample can be used;
    `StoreError` if a dataset or a checkpoint is damaged; `DataError` if a sample is, or the gradients stay infinite.
    """
    if "://" in config.place:
        raise ConfigError(f"out: {config.place} is no folder; checkpoints and models are written to a local one")
    folder = Path(config.place)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        prepared = prepare(config)
        _remember(prepared, folder)
        for line in prepared.summary():
            watcher.notify(line)
        if on_cluster:
            from datagen.train.cluster import train_on_cluster  # it needs Ray, which is slow to import

            train_on_cluster(prepared, _take_part_on_cluster, watcher=watcher, folder=folder)
            return folder / MODEL
        with training_together(prepared, _take_part) as (own, group):
            return _Training(own, folder, watcher, group).run()


def _take_part(prepared: Prepared, group: ProcessGroup) -> None:
    """What another process of the same training does."""
    _Training(prepared, Path(prepared.config.place), _NoWatcher(), group).run()


def _take_part_on_cluster(prepared: Prepared, group: ProcessGroup, watcher: TrainingWatcher) -> None:
    """What each worker of a cluster does; the first one reports."""
    _Training(prepared, Path(prepared.config.place), watcher if group.leads else _NoWatcher(), group).run()


class _NoWatcher:
    """Watches nothing."""

    def on_step(self, report: StepReport) -> None: ...

    def on_evaluation(self, report: EvaluationReport) -> None: ...

    def notify(self, text: str) -> None: ...


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    try:
        held = filelock.FileLock(folder / "lock").acquire(timeout=0)
    except filelock.Timeout as error:
        raise ConfigError(f"{folder}: another process trains there; wait for it, or choose another --out") from error
    with held:
        yield


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a Ctrl-C wait for the end of the block. Elsewhere than in the main thread none arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: arrived.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if arrived:
        raise KeyboardInterrupt


def _remember(prepared: Prepared, folder: Path) -> None:
    """Store what decides the weights, or raise `ConfigError` if what was begun in the folder has something else."""
    path = folder / CONFIG
    now = {**decisive(prepared.config), "fingerprints": fingerprints_of(prepared.config)}
    if bases := prepared.config.model.bases():
        now["bases"] = [base.revision for base in bases]  # where they lie decides nothing
    if path.exists() and (folder / CHECKPOINTS).is_dir():
        before = yaml.safe_load(path.read_text("utf-8"))
        if different := sorted(name for name in {*now, *before} if now.get(name) != before.get(name)):
            names = ", ".join(different)
            raise ConfigError(
                f"{folder}: a training with another value of {names} was begun here; choose another --out"
            )
    path.write_text(yaml.safe_dump(now, sort_keys=False), "utf-8")


class _Training:
    """One training: its net, and what belongs to it."""

    def __init__(self, prepared: Prepared, folder: Path, watcher: TrainingWatcher, group: ProcessGroup) -> None:
        self._prepared = prepared
        self._group = group
        self._config = config = prepared.config
        self._folder = folder
        self._watcher = watcher
        self._gradients = Gradients(config)
        self._trained = self._gradients.trained()
        self._weights = [*self._trained.values()]
        options = config.optimizer
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=options.learning_rate, betas=options.betas, weight_decay=options.weight_decay
        )
        self._mean = EMAModel(self._weights, decay=config.ema) if config.ema and group.leads else None
        self._checkpoints = Checkpoints(folder / CHECKPOINTS, keep=config.checkpoints.keep)
        self._logs: list[TrainingLog] = []
        self._step = 0
        self._bad = 0
        self._saved = 0

    def run(self) -> Path:
        """Train to the last step, and save the model."""
        self._resume()
        steps = range(self._step, self._config.steps)
        evaluated = evaluation_examples(self._config) if self._group.leads else []
        if self._group.leads and not evaluated:
            self._watcher.notify(f"no dataset has samples of the split '{self._config.evaluation.split}' to evaluate")
        try:
            with self._logging(), self._loaded(steps) as batches:
                for examples in batches:
                    with _uninterrupted():  # a checkpoint of half a step would not be that of an unbroken training
                        report = self._do_step(examples)
                    self._watcher.on_step(report)
                    if report.step == steps.start + 1:
                        self._notify_of_encodings()
                    last = self._step == self._config.steps
                    if evaluated and (last or self._step % self._config.evaluation.every == 0):
                        self._evaluate(evaluated)
                    if last or self._step % self._config.checkpoints.every == 0:
                        self._save()
        except (KeyboardInterrupt, DatagenError):  # what was done until then is not lost
            self._save()
            raise
        self._notify_of_encodings()
        return self._save_model() if self._group.leads else self._folder

    def _loaded(self, steps: range) -> AbstractContextManager[Iterator[list[TrainingExample]]]:
        data = self._config.data
        if data.loader == "webdataset":
            return streamed(self._prepared.stream(), steps)
        batches = self._prepared.batches(rank=self._group.rank, ranks=self._group.size)
        return loaded(batches, steps, workers=data.workers)

    @contextmanager
    def _logging(self) -> Iterator[None]:
        """Open the logs of the config, going on after the step that is done."""
        config = self._config
        with ExitStack() as stack:
            for kind in config.log if self._group.leads else ():
                log = LOGS[kind](
                    self._folder, name=config.train, step=self._step, options=config.model_dump(mode="json")
                )
                stack.callback(log.close)
                self._logs.append(log)
            yield
        self._logs.clear()

    def _notify_of_encodings(self) -> None:
        if encodings := self._gradients.encodings:
            self._watcher.notify(encodings.summary(sum(len(chosen.numbers) for chosen in self._prepared.selected)))

    def _resume(self) -> None:
        steps = self._checkpoints.steps()
        if steps:
            state = self._checkpoints.load(steps[-1])
            self._load_weights(state["weights"])
            self._optimizer.load_state_dict(state["optimizer"])
            if self._mean:
                self._mean.load_state_dict(state["mean"])
            self._step = self._saved = steps[-1]
            self._watcher.notify(f"resumed after step {self._step:,}")
        if self._group.leads:
            self._cut_metrics()

    def _load_weights(self, stored: Mapping[str, torch.Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self._trained.items():
                weight.copy_(stored[name])

    def _save(self) -> None:
        if self._step == self._saved or not self._group.leads:
            return
        weights = {name: weight.detach() for name, weight in self._trained.items()}
        state = {"weights": weights, "optimizer": self._optimizer.state_dict()}
        self._checkpoints.save(self._step, {**state, "mean": self._mean.state_dict() if self._mean else None})
        self._saved = self._step

    def _do_step(self, examples: Sequence[TrainingExample]) -> StepReport:
        begun = time.perf_counter()
        seed = seed_of(self._config.seed, self._step)
        rate = self._learning_rate()
        for options in self._optimizer.param_groups:
            options["lr"] = rate
        self._gradients.train_mode()
        self._optimizer.zero_grad(set_to_none=True)
        group = self._group
        loss = self._gradients.add(examples, seed=seed, rank=group.rank, ranks=group.size)
        loss = group.sum_gradients(self._weights, loss)
        norm = float(nn.utils.clip_grad_norm_(self._weights, self._config.optimizer.clip))
        self._step += 1
        if math.isfinite(norm) and math.isfinite(loss):
            self._optimizer.step()
            self._bad = 0
            if self._mean:
                self._mean.step(self._weights)
        else:
            self._skip(loss)
        taken = time.perf_counter() - begun
        peak = peak_bytes(self._gradients.device) / 1e6
        report = StepReport(self._step, loss, norm, rate, group.size * len(examples) / taken, round(peak, 1))
        if group.leads:
            self._write_metrics(asdict(report))
        return report

    def _skip(self, loss: float) -> None:
        """Leave out an update whose gradient is not finite; too many of them end the training."""
        self._bad += 1
        self._watcher.notify(f"step {self._step:,}: the gradient is not finite (loss {loss}); the weights stay")
        if self._bad >= MOST_BAD_STEPS:
            remedy = "lower optimizer.learning_rate, or set precision: fp32"
            raise DataError(f"{self._bad} steps in a row had no finite gradient; {remedy}")

    def _learning_rate(self) -> float:
        options, done = self._config.optimizer, self._step + 1
        share = done / self._config.steps
        rise = min(1.0, done / options.warmup_steps) if options.warmup_steps else 1.0
        fall = 1.0 if share <= options.decay_from else max(0.02, (1 - share) / (1 - options.decay_from))
        return options.learning_rate * rise * fall

    def _evaluate(self, examples: Sequence[TrainingExample]) -> None:
        """The loss of always the same examples with always the same noise, by the weights' running mean."""
        losses: list[torch.Tensor] = []
        times: list[torch.Tensor] = []
        with self._averaged(), torch.no_grad():
            for number, group in enumerate(by_size(examples)):
                for loss, when in self._gradients.losses(group, seed=seed_of(self._config.seed, 0, number)):
                    losses.append(loss.float().cpu())
                    times.append(when.float().cpu())
            self._draw_grid(examples[: self._config.evaluation.pictures])
        every, when = torch.cat(losses), torch.cat(times)
        bins = (when * TIME_BINS).long().clamp(0, TIME_BINS - 1)
        by_time = [
            float(every[bins == number].mean()) if (bins == number).any() else None for number in range(TIME_BINS)
        ]
        report = EvaluationReport(self._step, float(every.mean()), by_time)
        self._write_metrics(asdict(report))
        self._watcher.on_evaluation(report)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The running mean in place of the weights."""
        self._gradients.model.eval()
        if self._mean:
            self._mean.store(self._weights)
            self._mean.copy_to(self._weights)
        try:
            yield
        finally:
            if self._mean:
                self._mean.restore(self._weights)

    def _draw_grid(self, examples: Sequence[TrainingExample]) -> None:
        """A row for each example: source, edit, target."""
        if not examples:
            return
        family = self._config.model
        pipeline = family.pipeline(self._gradients.model)
        pipeline.set_progress_bar_config(disable=True)
        rows = [
            np.concatenate([example.source, family.edit(pipeline, example, seed=0), example.target], axis=1)
            for example in examples
        ]
        width = max(row.shape[1] for row in rows)
        rows = [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows]
        folder = self._folder / GRIDS
        folder.mkdir(exist_ok=True)
        grid = np.concatenate(rows)
        Pillow.fromarray(grid).save(folder / f"step-{self._step:08d}.png")
        for log in self._logs:
            log.picture("edits", grid, step=self._step)

    def _save_model(self) -> Path:
        """The running mean of the weights as a pipeline, with a card."""
        place = self._folder / MODEL
        try:
            with self._averaged():
                config = self._config
                save_model(config.model, self._gradients.model, sizes=config.data.sizes, folder=place)
            (place / "README.md").write_text(model_card(self._prepared), "utf-8")
        except OSError as error:
            raise StoreError(f"{place} cannot be written: {error}; the checkpoints are still there") from error
        return place

    def _write_metrics(self, row: Mapping[str, Any]) -> None:
        with (self._folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        for log in self._logs:
            log.metrics(row, step=self._step)

    def _cut_metrics(self) -> None:
        """Take out what was written after the checkpoint: it is done again."""
        path = self._folder / METRICS
        lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
        rows = [(line, _step_of(line)) for line in lines]
        path.write_text("".join(line for line, step in rows if step is not None and step <= self._step), "utf-8")


def _step_of(line: str) -> int | None:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None  # a line that was half written
