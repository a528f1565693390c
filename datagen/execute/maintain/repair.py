"""`verify --repair`: rewrites damaged files of an OUT from undamaged ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pyarrow as pa

from datagen.core.errors import StoreError
from datagen.core.redact import escape_control
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import accepted_tables
from datagen.execute.ledger.lock import locked
from datagen.execute.maintain.part_audit import part_problems
from datagen.shards.index import CARD, DATASET, INDEX, SHARDS, DatasetInfo, read_dataset
from datagen.shards.packed import PackedInfo, read_packed, sha256_file, sha256_of
from datagen.shards.repair import repair_files
from datagen.storage.store import Store

_RUN = "run the same command again"


class Repair(NamedTuple):
    """A damaged file, and what was done about it."""

    file: str
    key: str
    done: str
    remedy: str = ""
    """What the user has to do to finish the repair; '' if nothing."""

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return escape_control("; ".join(filter(None, [f"{place}: {self.done}", self.remedy])))


def repair(address: str) -> list[Repair]:
    """Repair OUT: remove damaged parts, and rewrite damaged shards, index and card from parts.

    Takes the lock of OUT. A result that could not be repaired here names the command that does it. Raises `ConfigError`
    if a run writes into OUT, `StoreError` if OUT has nothing of datagen.
    """
    store = Store(address)
    if not store.exists("run"):
        read_dataset(store)  # raises the error that says that there is none
    with locked(store) as held:
        return list(_repair_all(held.store))


def _repair_all(store: Store) -> Iterator[Repair]:
    try:
        dataset = read_dataset(store)
    except StoreError as error:
        for fingerprint in store.folders("run/ledger"):
            yield from _remove_damaged_parts(Ledger(store, fingerprint))
        yield Repair("dataset.json", "", str(error))
        return
    ledger = Ledger(store, dataset.fingerprint)
    yield from _remove_damaged_parts(ledger)
    try:
        packed = read_packed(store)
    except StoreError as error:
        yield Repair("run/packed.json", "", str(error), f"{_RUN}, which writes it anew")
        return
    damaged = list(_damaged_files(store, dataset, packed))
    if damaged:
        yield from _rewrite_damaged(ledger, packed, damaged)


def _remove_damaged_parts(ledger: Ledger) -> Iterator[Repair]:
    """Remove parts with a damaged sample. The next run finds them missing and computes their slices again."""
    try:
        problems = list(part_problems(ledger, ledger.slices()))
    except StoreError as error:
        yield Repair(ledger.folder, "", str(error))
        return
    for problem in problems:
        ledger.store.remove(problem.file)
        yield Repair(problem.file, problem.key, f"{problem.fault}; removed", f"{_RUN}, which computes its slice anew")


def _damaged_files(store: Store, dataset: DatasetInfo, packed: PackedInfo) -> Iterator[tuple[str, str]]:
    """Yield each file of the dataset that differs from what was packed, and its fault."""
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


def _rewrite_damaged(ledger: Ledger, packed: PackedInfo, damaged: Sequence[tuple[str, str]]) -> Iterator[Repair]:
    slices = ledger.slices()

    def rows(columns: Sequence[str]) -> Iterator[pa.Table]:
        return accepted_tables(ledger, slices, columns=columns)

    left = repair_files(ledger.store, rows, packed, damaged=[path for path, _ in damaged])
    for path, fault in damaged:
        if path in left:
            yield Repair(path, "", f"{fault}, and cannot be written anew: {left[path]}", _RUN)
        else:
            yield Repair(path, "", f"{fault}; {'written anew' if ledger.store.exists(path) else 'removed'}")
