"""Read-only status of a run: its progress, counts, failures, costs and dataset, from the files in OUT alone."""

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
"""Counters that are shown for each stage; tokens and money are shown for all stages together."""
_TRIES = 3
"""Attempts to read the ledger; a running compaction may remove files that were just listed."""
_FAILURES = 5
_LONGEST = 300
"""The most characters of an error that are shown."""
_PARTICULAR = re.compile(r"\S*/\S*|'[^']*'|\"[^\"]*\"|\d+")
"""Paths, quoted names and numbers, which differ between errors of one kind."""


@dataclass
class Failure:
    """Records that failed in one stage with the same kind of error."""

    stage: str
    error: str
    """The last line of the error of the first of them."""
    records: int
    example: str
    """The id of the first of them."""


@dataclass
class PackedDataset:
    """The dataset in OUT."""

    state: Literal["none", "current", "older", "damaged"]
    """'older' if it was packed before the last run, or if that run committed slices since."""
    samples: int = 0
    shards: int = 0
    fingerprint: str = ""


@dataclass
class Status:
    """The state of a run. All counts are those of committed slices."""

    out: str
    pipeline: str
    fingerprint: str
    """Of the run that began last."""
    state: Literal["running", "finished", "unfinished"]
    drivers: list[Holder]
    """Processes that write into OUT now."""
    slices_done: int
    slices: int | None
    """Total; None if the source cannot be counted from here. With groups, an upper bound."""
    counts: Counts
    failures: list[Failure]
    """The most frequent kinds, most frequent first."""
    stages: CountersByStage
    """By stage, in the order in which they run, for records that ended; its `tokens` and `usd` stay 0."""
    tokens: int
    usd: float
    dataset: PackedDataset
    next: str
    """The command to run next; '' while a run is active."""
    notes: list[str] = field(default_factory=list)
    """What could not be read."""

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON. `stages` is a list of objects with the stage's id and its shown counters."""
        plain = asdict(self)
        stages = [{"id": id, **{name: counters[name] for name in _COUNTED}} for id, counters in plain["stages"].items()]
        return {**plain, "stages": stages}


def status(out: str) -> Status:
    """The status of the run into `out` that began last.

    Raises `StoreError` if OUT does not exist, or if no run of datagen began there.
    """
    store = Store(out)
    if not store.exists(CONFIG):
        raise StoreError(f"{store.address} {_why_no_run(store)}")
    ledger = Ledger(store, last_run(store))
    notes: list[str] = []
    drivers, dataset_slices = holders(store), _dataset_slices(ledger, notes)
    whole = _has_all_rows(dataset_slices, rows := _source_rows(store))
    # The list of the dataset's slices leaves out slices whose rows are no longer in the source. It is used only if it
    # is complete; otherwise all committed slices count.
    totals, done = _read_totals(ledger, dataset_slices if whole and not drivers else None, notes)
    packed = _find_dataset(store, current=whole and done.keys() <= dataset_slices.keys())
    return Status(
        out=store.address,
        pipeline=pipeline_in(store),
        fingerprint=ledger.fingerprint,
        state="running" if drivers else "finished" if packed.state == "current" else "unfinished",
        drivers=drivers,
        slices_done=len(done),
        slices=len(done) if packed.state == "current" else _slices_in_all(store, rows, at_least=len(done)),
        counts=totals.counts,
        failures=totals.worst(),
        stages={id: totals.stages[id] for id in totals.known},
        tokens=totals.tokens,
        usd=totals.usd,
        dataset=packed,
        next="" if drivers else _next_command(store, packed, totals.counts),
        notes=notes,
    )


def _why_no_run(store: Store) -> str:
    if not store.exists(""):
        return "does not exist; give the folder or address that a run wrote to"
    return f"holds no run of datagen, {CONFIG} is missing; give the folder or address that a run wrote to"


class _LedgerTotals:
    """Sums up the rows of a ledger as they are streamed."""

    def __init__(self, stages: Mapping[str, object]) -> None:
        self.known = tuple(stages)
        """Ids of stages, in the order in which they run."""
        self.stages: CountersByStage = {id: StageCounters() for id in stages}
        """By id: of these, and of the source and packing, where records may end too."""
        self.counts = Counts()
        self.tokens = 0
        self.usd = 0.0
        self._failures: dict[tuple[str, str], Failure] = {}

    def add(self, table: pa.Table) -> None:
        """Add rows with the columns of `_COLUMNS`."""
        self.counts.add(count(table))
        self.tokens += pc.sum(table["tokens"]).as_py() or 0
        self.usd += pc.sum(table["usd"]).as_py() or 0.0
        columns = (table[name].to_pylist() for name in ("status", "stage", "seconds", "children"))
        for status, stage, seconds, children in zip(*columns, strict=True):
            add_row(self.stages, status=status, stage=stage, children=children or 0, seconds=json.loads(seconds))
        failed = table.filter(pc.equal(table["status"], "failed"))
        for id, stage, detail in zip(*(failed[name].to_pylist() for name in ("id", "stage", "detail")), strict=True):
            self._add_failure(id, stage, detail)

    def _add_failure(self, id: str, stage: str, detail: str) -> None:
        error = next((line for line in reversed(detail.splitlines()) if line.strip()), "")[:_LONGEST]
        alike = self._failures.setdefault((stage, _PARTICULAR.sub("*", error)), Failure(stage, error, 0, id))
        alike.records += 1

    def drop(self, table: pa.Table) -> None:
        """Subtract records that packing rejected from the accepted ones, and add them to the rejected ones."""
        dropped = count(table)
        self.counts.accepted -= dropped.records
        for reason, number in dropped.rejected.items():
            self.counts.rejected[reason] = self.counts.rejected.get(reason, 0) + number

    def worst(self) -> list[Failure]:
        """The most frequent failures, most frequent first."""
        return sorted(self._failures.values(), key=lambda failure: -failure.records)[:_FAILURES]


class _LedgerRead(NamedTuple):
    totals: _LedgerTotals
    done: Mapping[str, object]
    """The slices that were counted."""


def _read_totals(ledger: Ledger, slices: Mapping[str, object] | None, notes: list[str]) -> _LedgerRead:
    """Sum up the rows of `slices`, or of all committed slices if it is None.

    If an active run merges files at the same time, they are read again.
    """
    fault = ""
    done: Mapping[str, object] = {}
    for _ in range(_TRIES):
        totals = _LedgerTotals(read_stages(ledger.store, ledger.fingerprint))
        try:
            done = slices or ledger.listing().locations
            for table in ledger.tables(done, columns=_COLUMNS):
                totals.add(table)
            for table in dropped_tables(ledger, columns=("stage", "reason", "status", "children")) if slices else ():
                totals.drop(table)
            return _LedgerRead(totals, done)
        except StoreError as error:
            fault = str(error)
    notes.append(f"the records are not counted: {fault}")
    return _LedgerRead(_LedgerTotals({}), done)


def _dataset_slices(ledger: Ledger, notes: list[str]) -> Mapping[str, int]:
    """The slices of the dataset in OUT with their source rows, if the run of `ledger` made it; else {}."""
    try:
        if ledger.store.exists(DATASET) and read_dataset(ledger.store).fingerprint == ledger.fingerprint:
            return ledger.slices()
    except StoreError as error:
        notes.append(str(error))
    return {}


def _has_all_rows(dataset_slices: Mapping[str, int], rows: int | None) -> bool:
    """Whether the dataset has all rows that the run takes; True if these cannot be counted."""
    return bool(dataset_slices) and rows in (None, sum(dataset_slices.values()))


def _source_rows(store: Store) -> int | None:
    """Rows that the last run takes; None if the source cannot be counted from here."""
    try:
        rows = stored_config(store.address).pipeline.source.load().count()
    except DatagenError:
        return None
    return rows if rows is None else min(rows, rows_of_last_run(store) or rows)


def _find_dataset(store: Store, *, current: bool) -> PackedDataset:
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


def _next_command(store: Store, packed: PackedDataset, counts: Counts) -> str:
    out = shlex.quote(store.address)
    if packed.state != "current":
        rows = rows_of_last_run(store)
        limit = f" --limit {rows}" if rows else ""
        config = "CONFIG" if "://" in out else f"{out}/{CONFIG}"
        return f"python -m datagen run {config} --out {out}{limit}"
    return f"python -m datagen {'retry' if counts.failed else 'verify'} {out}"
