"""Batches streamed from the shards by the `webdataset` package, for those to whom exact resumption is no matter.

A shard is read from its beginning to its end, samples are shuffled in a buffer, and those that the selection left out
are passed over. Which samples a step has follows from the seed and from where the training began, but a training that
is resumed sees others than an unbroken one.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from datagen.core.errors import ConfigError
from datagen.models.weights.packages import import_package
from datagen.shards.index import read_dataset
from datagen.storage.store import Store
from datagen.train.data.examples import Crop, TrainingExample, make_example
from datagen.train.data.framing import Size, nearest_size
from datagen.train.data.selection import Facts, Selected

BUFFER = 1000
"""Samples among which the next one is drawn, of each dataset."""


class StreamedBatches:
    """Batches of examples of one size each, without end."""

    def __init__(
        self,
        addresses: Sequence[str],
        splits: Sequence[str | None],
        selected: Sequence[Selected],
        *,
        weights: Sequence[float],
        sizes: Sequence[Size],
        batch_size: int,
        seed: int,
        flip: float,
        crop: Crop,
    ) -> None:
        """Raises `ConfigError` for a dataset in a bucket."""
        if remote := next((address for address in addresses if "://" in address), ""):
            raise ConfigError(f"data.loader: webdataset reads local datasets, and {remote} is in a bucket; use grain")
        self._shards = [_shards(address, split) for address, split in zip(addresses, splits, strict=True)]
        self._facts = [{facts.key: facts for facts in chosen.facts} for chosen in selected]
        # A dataset is drawn from as often as its samples are to be shown.
        shown = np.array([weight * len(facts) for weight, facts in zip(weights, self._facts, strict=True)])
        self._shares = shown / shown.sum()
        self._sizes, self._batch_size, self._seed = sizes, batch_size, seed
        self._flip, self._crop = flip, crop

    def stream(self, start: int) -> Generator[list[TrainingExample]]:
        """The batches from a step on. Raises `DataError` if a picture is damaged."""
        waiting: dict[Size, list[TrainingExample]] = {}
        with closing(self._examples(start)) as examples:
            for example, size in examples:
                batch = waiting.setdefault(size, [])
                batch.append(example)
                if len(batch) == self._batch_size:
                    yield waiting.pop(size)

    def _examples(self, start: int) -> Generator[tuple[TrainingExample, Size]]:
        rng = np.random.default_rng((self._seed, 4, start))
        with ExitStack() as stack:
            streams = [stack.enter_context(closing(self._samples(each, start))) for each in range(len(self._shards))]
            for showing in range(2**62):
                number = int(rng.choice(len(streams), p=self._shares))
                members, facts = next(streams[number])
                size, draw = nearest_size(facts.size, self._sizes), (self._seed, 5, start, showing)
                yield make_example(members, facts, size=size, draw=draw, flip=self._flip, crop=self._crop), size

    def _samples(self, number: int, start: int) -> Generator[tuple[Mapping[str, bytes], Facts]]:
        """The usable samples of one dataset, round after round."""
        webdataset: Any = import_package("webdataset", extra="train")
        facts = self._facts[number]
        for round in range(2**62):
            rng = random.Random(f"{self._seed} {start} {number} {round}")
            for sample in webdataset.filters.shuffle(BUFFER, rng=rng)(_read(self._shards[number], webdataset, rng)):
                if found := facts.get(sample["__key__"]):
                    yield {name: data for name, data in sample.items() if not name.startswith("__")}, found


def _read(shards: Sequence[str], webdataset: Any, rng: random.Random) -> Iterator[dict[str, Any]]:
    """The samples of shards in a drawn order. The package's own opener leaves a shard open where its reader stops."""
    for path in rng.sample(shards, len(shards)):
        with open(path, "rb") as file:
            tars = webdataset.tariterators
            yield from tars.group_by_keys(tars.tar_file_expander([{"url": path, "stream": file}]))


def _shards(address: str, split: str | None) -> list[str]:
    shards = read_dataset(Store(address)).shards
    return [str(Path(address) / shard.path) for shard in shards if split in (None, shard.split)]


@contextmanager
def streamed(batches: StreamedBatches, steps: range) -> Iterator[Iterator[list[TrainingExample]]]:
    """As many batches as there are steps."""
    with closing(batches.stream(steps.start)) as stream:
        yield islice(stream, len(steps))
