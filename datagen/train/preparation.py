"""What a training is made of, before its first step: datasets, the samples that are used, and their order."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

from datagen.core.errors import ConfigError
from datagen.shards.index import read_dataset
from datagen.shards.reader import Dataset, open_dataset
from datagen.storage.store import Store
from datagen.train.config import TrainConfig
from datagen.train.data.checking import check_dataset
from datagen.train.data.examples import TrainingExample, make_example
from datagen.train.data.framing import nearest_size
from datagen.train.data.loading import PlannedBatches
from datagen.train.data.plan import TrainingPlan, bucket_members
from datagen.train.data.selection import REASONS, Selected, select
from datagen.train.data.streaming import StreamedBatches


@dataclass(frozen=True)
class Prepared:
    """Datasets, and which of their samples are trained on."""

    config: TrainConfig
    datasets: tuple[Dataset, ...]
    selected: tuple[Selected, ...]
    plan: TrainingPlan

    def batches(self, *, rank: int = 0, ranks: int = 1) -> PlannedBatches:
        """The batches of all steps, for one of `ranks` processes."""
        data = self.config.data
        return PlannedBatches(
            self.datasets,
            self.selected,
            self.plan,
            sizes=data.sizes,
            flip=data.flip,
            crop=data.crop,
            rank=rank,
            ranks=ranks,
        )

    def stream(self) -> StreamedBatches:
        """The batches as they are streamed. Raises `ConfigError` for a dataset in a bucket."""
        data = self.config.data
        return StreamedBatches(
            [entry.path for entry in data.datasets],
            [entry.split for entry in data.datasets],
            self.selected,
            weights=[entry.weight for entry in data.datasets],
            sizes=data.sizes,
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            flip=data.flip,
            crop=data.crop,
        )

    def summary(self) -> Iterator[str]:
        """What is trained on and what is not, in lines."""
        for entry, chosen in zip(self.config.data.datasets, self.selected, strict=True):
            left = ", ".join(f"{number:,} {reason}" for reason, number in sorted(chosen.left_out.items()))
            yield f"{entry.path}: {len(chosen.numbers):,} samples{f'; left out: {left}' if left else ''}"
        steps, size = self.config.steps, self.config.batch_size
        epochs = steps / max(1, self.plan.epoch_length(0))
        yield f"{steps:,} steps of {size} samples, {epochs:.1f} epochs of {self.plan.epoch_length(0):,} steps"
        if self.config.data.loader == "webdataset":
            yield "loader webdataset: a training that is resumed sees other samples than an unbroken one"


def prepare(config: TrainConfig) -> Prepared:
    """Open the datasets and choose the samples.

    Raises `StoreError` if a dataset is missing or damaged, and `ConfigError` if one of them has no sample that can be
    used, with the reasons.
    """
    entries = config.data.datasets
    for entry in entries:
        check_dataset(entry.path, by=config.data.check)
    cache = config.data.cache or ""
    datasets = tuple(open_dataset(entry.path, split=entry.split, cache=cache) for entry in entries)
    needs = config.model.needs()
    selected = tuple(
        select(dataset, needs, sizes=config.data.sizes).limited(entry.most)
        for entry, dataset in zip(entries, datasets, strict=True)
    )
    for entry, dataset, chosen in zip(entries, datasets, selected, strict=True):
        if not chosen.numbers:
            raise ConfigError(_nothing(entry.path, entry.split, len(dataset), chosen.left_out))
    members = bucket_members([[facts.size for facts in chosen.facts] for chosen in selected], config.data.sizes)
    plan = TrainingPlan(
        members, weights=[entry.weight for entry in entries], batch_size=config.batch_size, seed=config.seed
    )
    return Prepared(config, datasets, selected, plan)


def _nothing(path: str, split: str | None, number: int, left_out: Counter[str]) -> str:
    if not number:
        return f"data.datasets: {path} has no sample of the split '{split}'; choose another split, or null for all"
    reasons = "; ".join(f"{count:,} {reason}: {REASONS[reason]}" for reason, count in left_out.most_common())
    return f"data.datasets: {path}: none of its {number:,} samples can be used: {reasons}"


def fingerprints_of(config: TrainConfig) -> list[str]:
    """Which datasets they are: the checksum of what each one's dataset.json says, shards' checksums among it."""
    found = (read_dataset(Store(entry.path)) for entry in config.data.datasets)
    return [hashlib.sha256(info.encoded()).hexdigest() for info in found]


def evaluation_examples(config: TrainConfig) -> list[TrainingExample]:
    """What is looked at on the way: the first samples of each dataset in turn, whole and never mirrored.

    [] if no dataset has samples of the split.
    """
    split = config.evaluation.split
    cache = config.data.cache or ""
    datasets = (open_dataset(entry.path, split=split, cache=cache) for entry in config.data.datasets)
    sources = [_examples_of(dataset, config) for dataset in datasets]
    in_turn = (example for turn in zip_longest(*sources) for example in turn if example is not None)
    return list(islice(in_turn, config.evaluation.samples))


def _examples_of(dataset: Dataset, config: TrainConfig) -> Iterator[TrainingExample]:
    some = dataset[: 4 * config.evaluation.samples]  # more than are shown, as some cannot be used
    selected = select(some, config.model.needs(), sizes=config.data.sizes)
    for number, facts in zip(selected.numbers, selected.facts, strict=True):
        size = nearest_size(facts.size, config.data.sizes)
        yield make_example(some[number].read_all(), facts, size=size, draw=(0,), flip=0, crop=config.data.crop)


def by_size(examples: Sequence[TrainingExample]) -> list[list[TrainingExample]]:
    """Examples of one size together, each in the order given."""
    groups: dict[tuple[int, ...], list[TrainingExample]] = {}
    for example in examples:
        groups.setdefault(example.source.shape, []).append(example)
    return [*groups.values()]
