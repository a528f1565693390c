"""The order of training: which samples the batch of each step has, as a function of the seed alone.

Samples of one dataset and one bucket (one size of picture) form a stream: one shuffled round after another. Epoch `e`
of a dataset with weight `w` and `n` samples in a bucket takes the stream's entries from `floor(e * w * n)` on, so that
a weight of 0.5 shows every sample once in two epochs. What the datasets give a bucket in an epoch is shuffled together,
and cut into batches; what is left over at the end of an epoch begins the bucket's first batch of the next one. So no
sample is dropped, none is shown twice instead, and the batch of any step can be found without those before it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.train.data.framing import Size, nearest_size

Numbers = NDArray[np.int64]


class Showing(NamedTuple):
    """One sample in one batch."""

    dataset: int
    sample: int
    """Its number among the samples of the dataset."""
    draw: tuple[int, ...]
    """Seed of what is drawn for it, such as a flip: different each time that the sample is shown."""


@dataclass(frozen=True)
class Batch:
    """What one step trains on, of all ranks together."""

    bucket: int
    entries: tuple[Showing, ...]


class TrainingPlan:
    """The batches of all steps, counted from 0. It never ends."""

    def __init__(
        self, buckets: Sequence[Sequence[Sequence[int]]], *, weights: Sequence[float], batch_size: int, seed: int
    ) -> None:
        """`buckets[b][d]` are the samples of dataset `d` that are shown in bucket `b`; `weights` are the datasets'.

        Raises `ValueError` if there is no sample, or if a weight or `batch_size` is not above zero.
        """
        if batch_size < 1 or not all(weight > 0 for weight in weights):
            raise ValueError("weights and batch_size have to be above zero")
        if not any(len(samples) for bucket in buckets for samples in bucket):
            raise ValueError("there is no sample to train on")
        self._members = [[np.asarray(samples, np.int64) for samples in bucket] for bucket in buckets]
        self._weights = weights
        self._size = batch_size
        self._seed = seed
        self._keep_answers()

    def _keep_answers(self) -> None:
        """Keep the orders that neighbouring steps ask for."""
        self._order = lru_cache(maxsize=4)(self._batches_of)
        self._entries = lru_cache(maxsize=4 * len(self._members))(self._entries_of)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_order", "_entries")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._keep_answers()

    def epoch_length(self, epoch: int) -> int:
        """Number of batches in an epoch, which differs by a few from one to the next."""
        return self._before(epoch + 1) - self._before(epoch)

    def place_of(self, step: int) -> tuple[int, int]:
        """The epoch of a step, from 0, and the number of its batch in the epoch."""
        epoch = _epoch_of(step, self._before)
        return epoch, step - self._before(epoch)

    def __getitem__(self, step: int) -> Batch:
        """The batch of a step."""
        if step < 0:
            raise IndexError(step)
        epoch, number = self.place_of(step)
        bucket, chunk = self._order(epoch)[number]
        start = int(chunk) * self._size
        return Batch(int(bucket), tuple(self._entry(int(bucket), place) for place in range(start, start + self._size)))

    def _entry(self, bucket: int, place: int) -> Showing:
        """The entry at a place of a bucket's endless row of entries."""
        epoch = _epoch_of(place, partial(self._shown, bucket))
        dataset, sample = self._entries(bucket, epoch)[place - self._shown(bucket, epoch)]
        return Showing(int(dataset), int(sample), (self._seed, bucket, place))

    def _before(self, epoch: int) -> int:
        """Number of batches before an epoch."""
        return sum(self._shown(bucket, epoch) // self._size for bucket in range(len(self._members)))

    def _shown(self, bucket: int, epoch: int) -> int:
        """How many entries a bucket has before an epoch."""
        return sum(self._used(bucket, dataset, epoch) for dataset in range(len(self._weights)))

    def _used(self, bucket: int, dataset: int, epoch: int) -> int:
        """How much of the stream of a dataset and bucket is used before an epoch."""
        return int(epoch * self._weights[dataset] * len(self._members[bucket][dataset]))

    def _batches_of(self, epoch: int) -> NDArray[np.int64]:
        """Bucket, and number of the batch in the bucket, of each batch of an epoch: N,2."""
        rows = [
            (bucket, chunk)
            for bucket in range(len(self._members))
            for chunk in range(self._shown(bucket, epoch) // self._size, self._shown(bucket, epoch + 1) // self._size)
        ]
        order = np.random.default_rng((self._seed, 1, epoch)).permutation(len(rows))
        return np.asarray(rows, np.int64).reshape(-1, 2)[order]

    def _entries_of(self, bucket: int, epoch: int) -> NDArray[np.int64]:
        """Dataset and sample of each entry of a bucket in an epoch: N,2."""
        parts: list[Numbers] = []
        for dataset, members in enumerate(self._members[bucket]):
            start, end = self._used(bucket, dataset, epoch), self._used(bucket, dataset, epoch + 1)
            if end > start:
                chosen = self._stream(members, (bucket, dataset), start, end)
                parts.append(np.stack([np.full(len(chosen), dataset), chosen], axis=1))
        rows = np.concatenate(parts) if parts else np.empty((0, 2), np.int64)
        return rows[np.random.default_rng((self._seed, 2, bucket, epoch)).permutation(len(rows))]

    def _stream(self, members: Numbers, place: tuple[int, int], start: int, end: int) -> Numbers:
        """Entries from `start` to `end` of the endless row of shuffled rounds of some samples."""
        number = len(members)
        rounds = range(start // number, (end - 1) // number + 1)
        shuffled = [
            members[np.random.default_rng((self._seed, 3, *place, each)).permutation(number)] for each in rounds
        ]
        first = rounds[0] * number
        return np.concatenate(shuffled)[start - first : end - first]


def _epoch_of(number: int, before: Callable[[int], int]) -> int:
    """The epoch in which something with this number lies, if `before(e)` of them lie before epoch `e`."""
    most = 1
    while before(most) <= number:
        most *= 2
    return bisect_right(range(most), number, key=before) - 1


def share_of_rank(batch: Batch, *, rank: int, ranks: int) -> tuple[Showing, ...]:
    """What one of `ranks` trains on of a batch; the ranks' shares in turn are the batch.

    Raises `ValueError` if the ranks cannot share it evenly: their gradients are averaged, so that an uneven share would
    give its samples another weight.
    """
    size, rest = divmod(len(batch.entries), ranks)
    if rest:
        raise ValueError(f"a batch of {len(batch.entries)} cannot be shared by {ranks} ranks; choose a multiple")
    return batch.entries[rank * size : (rank + 1) * size]


def bucket_members(sizes: Sequence[Sequence[Size]], buckets: Sequence[Size]) -> list[list[list[int]]]:
    """For each bucket and dataset the numbers of its samples. `sizes[d]` are the sizes of the samples of a dataset.

    `buckets` are the sizes that a model is trained at; a sample goes to that of the nearest ratio of sides.
    """
    found: list[list[list[int]]] = [[[] for _ in sizes] for _ in buckets]
    places = {size: number for number, size in enumerate(buckets)}
    for dataset, of_samples in enumerate(sizes):
        for sample, size in enumerate(of_samples):
            found[places[nearest_size(size, buckets)]][dataset].append(sample)
    return found
