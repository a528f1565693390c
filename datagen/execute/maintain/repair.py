"""Mends what is damaged under OUT from what is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from datagen.core.errors import StoreError
from datagen.core.redact import escape_control
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import accepted
from datagen.execute.ledger.lock import held
from datagen.execute.maintain.part_audit import part_problems
from datagen.shards.index import CARD, DATASET, INDEX, SHARDS, DatasetInfo, read_dataset
from datagen.shards.packed import PackedInfo, read_packed, sha256_file, sha256_of
from datagen.shards.repair import mend
from datagen.storage.store import Store

_RUN = "run the same command again"


class Repair(NamedTuple):
    """What was found, and what became of it."""

    file: str
    key: str
    done: str
    remedy: str = ""
    """What is left to do, and mends it; '' if nothing is."""

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return escape_control("; ".join(filter(None, [f"{place}: {self.done}", self.remedy])))


def repair(address: str) -> list[Repair]:
    """Mend OUT: damaged parts are removed, damaged shards written anew from parts, index and card too.

    Takes the lock of OUT. What cannot be mended here says which command mends it.
    Raises `ConfigError` if a run holds OUT, `StoreError` if there is nothing of datagen in it.
    """
    store = Store(address)
    if not store.exists("run"):
        read_dataset(store)  # tells that there is none
    with held(store):
        return list(_repaired(store))


def _repaired(store: Store) -> Iterator[Repair]:
    try:
        dataset = read_dataset(store)
    except StoreError as error:
        for fingerprint in store.folders("run/ledger"):
            yield from _parts_removed(Ledger(store, fingerprint))
        yield Repair("dataset.json", "", str(error))
        return
    ledger = Ledger(store, dataset.fingerprint)
    yield from _parts_removed(ledger)
    try:
        packed = read_packed(store)
    except StoreError as error:
        yield Repair("run/packed.json", "", str(error), f"{_RUN}, which writes it anew")
        return
    damaged = list(_damaged(store, dataset, packed))
    if damaged:
        yield from _mended(ledger, packed, damaged)


def _parts_removed(ledger: Ledger) -> Iterator[Repair]:
    """Remove parts with a damaged sample: a run finds them missing, and computes their slices anew."""
    try:
        problems = list(part_problems(ledger, ledger.slices()))
    except StoreError as error:
        yield Repair(ledger.folder, "", str(error))
        return
    for problem in problems:
        ledger.store.remove(problem.file)
        yield Repair(problem.file, problem.key, f"{problem.fault}; removed", f"{_RUN}, which computes its slice anew")


def _damaged(store: Store, dataset: DatasetInfo, packed: PackedInfo) -> Iterator[tuple[str, str]]:
    """Files of the dataset that are not what was packed, and what is wrong with each."""
    listed = {shard.path: (shard.sha256, shard.bytes) for shard in dataset.shards}
    for name in store.names(SHARDS):
        if f"{SHARDS}/{name}" not in listed:
            yield f"{SHARDS}/{name}", "is not of the dataset"
    for path, expected in {**listed, INDEX: (packed.index, packed.index_bytes)}.items():
        if not store.exists(path):
            yield path, "was missing"
        elif sha256_file(store, path) != expected:
            yield path, "was damaged"
    if sha256_of(store.read(DATASET)) != packed.dataset:
        yield DATASET, "was edited"
    if not store.exists(CARD) or sha256_of(store.read(CARD)) != packed.card:
        yield CARD, "was missing or edited"


def _mended(ledger: Ledger, packed: PackedInfo, damaged: Sequence[tuple[str, str]]) -> Iterator[Repair]:
    slices = ledger.slices()

    def rows(columns: Sequence[str]) -> Iterator[pa.Table]:
        return accepted(ledger, slices, columns=columns)

    left = mend(ledger.store, rows, packed, damaged=[path for path, _ in damaged])
    for path, fault in damaged:
        if path in left:
            yield Repair(path, "", f"{fault}, and cannot be written anew: {left[path]}", _RUN)
        else:
            yield Repair(path, "", f"{fault}; {'written anew' if ledger.store.exists(path) else 'removed'}")
