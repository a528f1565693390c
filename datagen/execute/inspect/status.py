"""What a run into an OUT is, going on, broken off or finished, told without touching it."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datagen.core.errors import DatagenError, StoreError
from datagen.execute.ledger.ledger import Counts, Ledger, count
from datagen.execute.ledger.ledger_audit import dropped_tables
from datagen.execute.ledger.lock import Holder, holders
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_row
from datagen.execute.reuse.run_manifest import last_run, read_stages, rows_of_last_run
from datagen.execute.run import CONFIG, pipeline_in, stored_config
from datagen.shards.index import DATASET, read_dataset
from datagen.storage.store import Store

_COLUMNS = ("id", "status", "stage", "reason", "detail", "seconds", "tokens", "usd", "children")
_COUNTED = ("taken", "passed", "rejected", "failed", "seconds")
"""Counters of a stage that are read; tokens and money are only summed up over all stages."""
_TRIES = 3
"""How often the ledger is read where a run merges its files meanwhile."""
_FAILURES = 5
_LONGEST = 300
"""Characters of an error."""
_PARTICULAR = re.compile(r"\S*/\S*|'[^']*'|\"[^\"]*\"|\d+")
"""What differs between errors of one kind: places, names, numbers."""


@dataclass
class Failure:
    """Records that failed alike."""

    stage: str
    error: str
    """As one of them tells it."""
    records: int
    example: str
    """The id of that one."""


@dataclass
class PackedDataset:
    """The dataset that lies in OUT."""

    state: Literal["none", "current", "older", "damaged"]
    """'older' if it was packed before the last run, or before the slices that this committed since."""
    samples: int = 0
    shards: int = 0
    fingerprint: str = ""


@dataclass
class Status:
    """How a run stands. The counts are those of the slices that are committed."""

    out: str
    pipeline: str
    fingerprint: str
    """Of the run that was begun last."""
    state: Literal["running", "finished", "unfinished"]
    drivers: list[Holder]
    """Processes that hold OUT now."""
    slices_done: int
    slices: int | None
    """In all; None where the source cannot be counted from here. With groups, the most there can be."""
    counts: Counts
    failures: list[Failure]
    """The most frequent ones, those first."""
    stages: CountersByStage
    """What stages did to the records that ended, in the order in which they run; `tokens` and `usd` stay 0 in it."""
    tokens: int
    usd: float
    dataset: PackedDataset
    next: str
    """The command that comes next; '' while a run goes on."""
    notes: list[str] = field(default_factory=list)
    """What could not be read."""

    def as_json(self) -> dict[str, Any]:
        """It as plain data: `stages` is a list, each with its id and the counters that are read."""
        plain = asdict(self)
        stages = [{"id": id, **{name: counters[name] for name in _COUNTED}} for id, counters in plain["stages"].items()]
        return {**plain, "stages": stages}


def status(out: str) -> Status:
    """How the run that was begun last into OUT stands.

    Raises `StoreError` if no run of datagen was begun there.
    """
    store = Store(out)
    if not store.exists(CONFIG):
        raise StoreError(f"{store.address} {_no_run(store)}")
    ledger = Ledger(store, last_run(store))
    notes: list[str] = []
    drivers, entered = holders(store), _entered(ledger, notes)
    whole = _is_whole(entered, rows := _source_rows(store))
    books, done = _read(ledger, entered if whole and not drivers else None, notes)
    packed = _packed(store, current=whole and done.keys() <= entered.keys())
    return Status(
        out=store.address,
        pipeline=pipeline_in(store),
        fingerprint=ledger.fingerprint,
        state="running" if drivers else "finished" if packed.state == "current" else "unfinished",
        drivers=drivers,
        slices_done=len(done),
        slices=len(done) if packed.state == "current" else _slices_in_all(store, rows, at_least=len(done)),
        counts=books.counts,
        failures=books.worst(),
        stages={id: books.stages[id] for id in books.known},
        tokens=books.tokens,
        usd=books.usd,
        dataset=packed,
        next="" if drivers else _next(store, packed, books.counts),
        notes=notes,
    )


def _no_run(store: Store) -> str:
    if not store.exists(""):
        return "does not exist; give the folder or address that a run wrote to"
    return f"holds no run of datagen, {CONFIG} is missing; give the folder or address that a run wrote to"


class _LedgerTotals:
    """Adds up the rows of a ledger as they stream by."""

    def __init__(self, stages: Mapping[str, object]) -> None:
        self.known = tuple(stages)
        """Ids of stages, in the order in which they run."""
        self.stages: CountersByStage = {id: StageCounters() for id in stages}
        """Of these, and of the source and packing, where records end too."""
        self.counts = Counts()
        self.tokens = 0
        self.usd = 0.0
        self._failures: dict[tuple[str, str], Failure] = {}

    def add(self, table: pa.Table) -> None:
        """Take in some rows; columns as in `_COLUMNS`."""
        self.counts.add(count(table))
        self.tokens += pc.sum(table["tokens"]).as_py() or 0
        self.usd += pc.sum(table["usd"]).as_py() or 0.0
        columns = (table[name].to_pylist() for name in ("status", "stage", "seconds", "children"))
        for status, stage, seconds, children in zip(*columns, strict=True):
            add_row(self.stages, status=status, stage=stage, children=children or 0, seconds=json.loads(seconds))
        failed = table.filter(pc.equal(table["status"], "failed"))
        for id, stage, detail in zip(*(failed[name].to_pylist() for name in ("id", "stage", "detail")), strict=True):
            self._fail(id, stage, detail)

    def _fail(self, id: str, stage: str, detail: str) -> None:
        error = next((line for line in reversed(detail.splitlines()) if line.strip()), "")[:_LONGEST]
        alike = self._failures.setdefault((stage, _PARTICULAR.sub("*", error)), Failure(stage, error, 0, id))
        alike.records += 1

    def drop(self, table: pa.Table) -> None:
        """Records that were accepted, and that packing rejected."""
        dropped = count(table)
        self.counts.accepted -= dropped.records
        for reason, number in dropped.rejected.items():
            self.counts.rejected[reason] = self.counts.rejected.get(reason, 0) + number

    def worst(self) -> list[Failure]:
        """The most frequent failures, those first."""
        return sorted(self._failures.values(), key=lambda failure: -failure.records)[:_FAILURES]


class _Read(NamedTuple):
    books: _LedgerTotals
    done: Mapping[str, object]
    """The slices that count."""


def _read(ledger: Ledger, slices: Mapping[str, object] | None, notes: list[str]) -> _Read:
    """The rows of these slices, or of all that are committed, added up.

    A run that goes on may merge files meanwhile: then they are read again.
    """
    fault = ""
    done: Mapping[str, object] = {}
    for _ in range(_TRIES):
        books = _LedgerTotals(read_stages(ledger.store, ledger.fingerprint))
        try:
            done = slices or ledger.listing().locations
            for table in ledger.tables(done, columns=_COLUMNS):
                books.add(table)
            for table in dropped_tables(ledger, columns=("stage", "reason", "status", "children")) if slices else ():
                books.drop(table)
            return _Read(books, done)
        except StoreError as error:
            fault = str(error)
    notes.append(f"the records are not counted: {fault}")
    return _Read(_LedgerTotals({}), done)


def _entered(ledger: Ledger, notes: list[str]) -> Mapping[str, int]:
    """The slices of the dataset in OUT and their rows, if it is of this run; {} otherwise."""
    try:
        if ledger.store.exists(DATASET) and read_dataset(ledger.store).fingerprint == ledger.fingerprint:
            return ledger.slices()
    except StoreError as error:
        notes.append(str(error))
    return {}


def _is_whole(entered: Mapping[str, int], rows: int | None) -> bool:
    """Whether the dataset has all rows that the run takes, as far as these can be counted."""
    return bool(entered) and rows in (None, sum(entered.values()))


def _source_rows(store: Store) -> int | None:
    """Rows that the last run takes; None where the source cannot be counted from here."""
    try:
        rows = stored_config(store.address).pipeline.source.load().count()
    except DatagenError:
        return None
    return rows if rows is None else min(rows, rows_of_last_run(store) or rows)


def _packed(store: Store, *, current: bool) -> PackedDataset:
    if not store.exists(DATASET):
        return PackedDataset("none")
    try:
        dataset = read_dataset(store)
    except StoreError:
        return PackedDataset("damaged")
    samples = sum(shard.samples for shard in dataset.shards)
    return PackedDataset("current" if current else "older", samples, len(dataset.shards), dataset.fingerprint)


def _slices_in_all(store: Store, rows: int | None, *, at_least: int) -> int | None:
    try:
        size = stored_config(store.address).pipeline.slice_size
    except DatagenError:
        return None
    return None if rows is None else max(math.ceil(rows / size), at_least)


def _next(store: Store, packed: PackedDataset, counts: Counts) -> str:
    out = shlex.quote(store.address)
    if packed.state != "current":
        rows = rows_of_last_run(store)
        limit = f" --limit {rows}" if rows else ""
        config = "CONFIG" if "://" in out else f"{out}/{CONFIG}"
        return f"python -m datagen run {config} --out {out}{limit}"
    return f"python -m datagen {'retry' if counts.failed else 'verify'} {out}"
