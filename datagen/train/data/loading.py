"""Load batches in the order of the plan, with Grain: a run that is resumed gets what an unbroken one would get.

The items that Grain loads are whole batches, which a plan finds by their step alone. So neither the number of worker
processes nor that of ranks changes what a step trains on, and to resume is to start at another step: Grain keeps no
state that would have to be stored.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from datagen.models.weights.packages import import_package
from datagen.shards.reader import Dataset
from datagen.train.data.examples import Crop, TrainingExample, make_example
from datagen.train.data.framing import Size
from datagen.train.data.plan import TrainingPlan, share_of_rank
from datagen.train.data.selection import Selected


class TrainingBatches(Protocol):
    """What is trained on, step by step."""

    def __getitem__(self, step: int) -> list[TrainingExample]:
        """The examples of a step."""
        ...


class PlannedBatches:
    """The batches of all steps, for one of `ranks` processes that train together."""

    def __init__(
        self,
        datasets: Sequence[Dataset],
        selected: Sequence[Selected],
        plan: TrainingPlan,
        *,
        sizes: Sequence[Size],
        flip: float,
        crop: Crop = "random",
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self._datasets = datasets
        self._selected = selected
        self._plan = plan
        self._sizes = sizes
        self._flip = flip
        self._crop: Crop = crop
        self._rank = rank
        self._ranks = ranks

    def __getitem__(self, step: int) -> list[TrainingExample]:
        """The examples of a step. Raises `DataError` or `StoreError` if one cannot be read."""
        batch = self._plan[step]
        found = []
        for dataset, sample, draw in share_of_rank(batch, rank=self._rank, ranks=self._ranks):
            chosen = self._selected[dataset]
            members = self._datasets[dataset][chosen.numbers[sample]].read_all()
            size = self._sizes[batch.bucket]
            facts = chosen.facts[sample]
            found.append(make_example(members, facts, size=size, draw=draw, flip=self._flip, crop=self._crop))
        return found


class _Window:
    """The steps from one to another, as Grain wants them: counted from 0."""

    def __init__(self, batches: TrainingBatches, steps: range) -> None:
        self._batches = batches
        self._steps = steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, index: Any) -> list[TrainingExample]:
        return self._batches[self._steps[int(index)]]


@contextmanager
def loaded(
    batches: TrainingBatches, steps: range, *, workers: int, threads: int = 4
) -> Iterator[Iterator[list[TrainingExample]]]:
    """The batches of these steps, loaded ahead in `threads` threads, and in `workers` processes if there are any."""
    logging.getLogger("absl").setLevel(logging.ERROR)  # on import Grain warns that there is no JAX
    grain: Any = import_package("grain", extra="train")

    source: Any = _Window(batches, steps)
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
    ahead = grain.MapDataset.source(source).to_iter_dataset(options)
    if workers:
        ahead = ahead.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=2))
    iterator = iter(ahead)
    try:
        yield iterator
    finally:
        close = getattr(iterator, "close", None)  # else processes and shared memory stay behind
        if close:
            close()
