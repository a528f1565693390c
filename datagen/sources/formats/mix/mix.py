"""The source `mix`: a row for every sample of several finished datasets, taken or not.

A sample that is taken several times has one row for each copy. The stage `read_sample` rejects those not taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from datagen.core.errors import ConfigError, StoreError
from datagen.fetch.addresses import range_address
from datagen.shards.checked_reads import CheckedShards
from datagen.shards.index import DatasetInfo, RunRow, read_dataset
from datagen.shards.reader import read_index
from datagen.sources.base import SourceRow
from datagen.sources.formats.mix.config import PartConfig
from datagen.sources.formats.mix.quotas import Quota, copies_per_sample, sample_counts
from datagen.storage.store import Store

_ROWS = 1024


class MixPart(NamedTuple):
    """One dataset of the mix, and how many samples are taken of it."""

    config: PartConfig
    store: Store
    quota: Quota
    take: int

    @property
    def beyond(self) -> str:
        """The reason of its samples that are not taken."""
        return "beyond_cap" if self.take == self.config.cap else "beyond_share"

    def summary(self) -> str:
        """How much is taken, as a line for the user."""
        size, config = self.quota.size, self.config
        weight = "" if config.weight is None else f", weight {config.weight:g}"
        text = f"{config.name}: {min(self.take, size):,} of {size:,} samples{weight}"
        if self.take < size:
            text += f"; the others are {self.beyond}"
        if self.take > size:
            text += f", repeated to {self.take:,}: {-(-self.take // size)} times at the most"
        return f"{text}; of the split '{config.split}' alone" if config.split else text


class Mix:
    """The samples of all datasets, one dataset after another, each in the order of its index."""

    writes = (
        *("members", "base", "sha256", "shard_sha256", "license", "dataset", "mix_says", "former_split", "copy"),
        *("canvas", "source_member"),
    )

    def __init__(self, datasets: Sequence[PartConfig], *, seed: int) -> None:
        self._configs = datasets
        self._seed = seed

    def check(self) -> None:
        """Raise `ConfigError` if a local dataset is missing or not finished, or if nothing would be taken of it."""
        if all("://" not in config.path for config in self._configs):
            self._check_sizes()

    def _check_sizes(self) -> None:
        for part in self.parts:
            if not part.quota.size:
                of = f" of the split '{part.config.split}'" if part.config.split else ""
                raise ConfigError(f"{part.config.path}: '{part.config.name}' has no samples{of}; leave it out")
        for part in self.parts:
            if not part.take:
                why = "has so small a weight that no sample is taken; leave it out, or change the weights"
                raise ConfigError(f"{part.config.path}: '{part.config.name}' {why}")

    @cached_property
    def parts(self) -> list[MixPart]:
        """The datasets with their quotas. Raises `ConfigError` if one cannot be read."""
        stores = [Store(config.path) for config in self._configs]
        quotas = [_quota(config, store) for config, store in zip(self._configs, stores, strict=True)]
        return [MixPart(*found) for found in zip(self._configs, stores, quotas, sample_counts(quotas), strict=True)]

    def runs(self) -> list[RunRow]:
        """The runs that made the samples of the datasets, each once. Raises `ConfigError` if one cannot be read."""
        found = {run.fingerprint: run for runs in self.runs_by_name().values() for run in runs}
        return list(found.values())

    def runs_by_name(self) -> dict[str, list[RunRow]]:
        """The runs that made the samples of each dataset, by its name. Raises `ConfigError` if one cannot be read."""
        return {config.name: _read_dataset(Store(config.path)).runs for config in self._configs}

    def count(self) -> int | None:
        """The number of rows: one for each sample and each further copy; None if a dataset is not on this machine."""
        if any("://" in config.path for config in self._configs):
            return None
        whole = (sum(_read_dataset(part.store).samples(split) for split in ("train", "val")) for part in self.parts)
        return sum(max(size, size - part.quota.size + part.take) for size, part in zip(whole, self.parts, strict=True))

    def rows(self) -> Iterator[SourceRow]:
        """A row for every sample, and one for each further copy. Raises `ConfigError` if there is nothing to read."""
        self._check_sizes()
        for part in self.parts:
            yield from self._of(part)

    def _of(self, part: MixPart) -> Iterator[SourceRow]:
        table = _read_index(part.store, part.config)
        chosen = _in_split(table, part.config.split)
        often = np.full(table.num_rows, -1, np.int64)
        keys = table["key"].filter(pa.array(chosen))
        names = (f"{part.config.name}/{key}" for chunk in _slices(keys) for key in chunk.to_pylist())
        often[chosen] = copies_per_sample(names, take=part.take, seed=self._seed)
        shards = {shard.path: shard.sha256 for shard in _read_dataset(part.store).shards}
        _check_links(part, shards)
        number = 0
        for batch in table.to_batches(_ROWS):
            for sample in batch.to_pylist():
                yield from _rows(part, sample, int(often[number]), sha256=shards[sample["shard"]])
                number += 1


def _check_links(part: MixPart, paths: Iterable[str]) -> None:
    """Raise `ConfigError` if a shard is a symbolic link to something else: stages read it by its path."""
    checked = CheckedShards(part.store)
    try:
        for path in paths:
            checked.read_range(path, start=0, size=0)
    except StoreError as error:
        raise ConfigError(f"{error}; '{part.config.name}' cannot be mixed") from error


def _slices(column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
    """A column in slices of some rows: as Python objects, all of it would be several times as large."""
    return (column.slice(start, _ROWS) for start in range(0, len(column), _ROWS))


def _rows(part: MixPart, sample: Mapping[str, Any], often: int, *, sha256: str) -> Iterator[SourceRow]:
    """The rows of one sample, which is taken `often` times; -1 if its split is not wanted.

    `sha256` is that of its shard. It is in the row so that a slice changes when the dataset was made anew, even if the
    members of the sample have the same byte ranges as before.
    """
    verdict = "other_split" if often < 0 else "taken" if often else part.beyond
    shard = sample["shard"]
    members = {
        member["name"]: range_address(shard, offset=member["offset"], size=member["size"])
        for member in sample["members"]
    }
    source = next((uri for name, uri in members.items() if name.split(".")[0] == "source"), "")
    for copy in range(max(often, 1)):
        id = f"{part.config.name}/{sample['key']}"
        fields = {
            "members": members,
            "base": f"{part.store.address}/",
            "sha256": "",
            "shard_sha256": sha256,
            "license": sample["license"],
            "dataset": part.config.name,
            "mix_says": verdict,
            "former_split": sample["split"],
            "copy": copy,
            "canvas": "picture" if source else "blank",
            "source_member": source,
        }
        yield SourceRow(f"{id}/{copy}" if copy else id, fields)


def _quota(config: PartConfig, store: Store) -> Quota:
    found = _read_dataset(store)
    size = sum(shard.samples for shard in found.shards if config.split in (None, shard.split))
    return Quota(size, weight=config.weight, cap=config.cap, repeats=config.repeats)


def _read_dataset(store: Store) -> DatasetInfo:
    try:
        return read_dataset(store)
    except StoreError as error:
        raise ConfigError(f"{error}; a mix is made of finished datasets: run what makes this one first") from error


def _read_index(store: Store, config: PartConfig) -> pa.Table:
    try:
        return read_index(store, also=["license"])
    except StoreError as error:
        raise ConfigError(f"{error}; '{config.name}' cannot be mixed") from error


def _in_split(table: pa.Table, split: str | None) -> Any:
    return np.ones(table.num_rows, np.bool_) if not split else table["split"].to_numpy() == split
