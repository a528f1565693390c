"""What a whole run would give and take, from a few rows of its source run through the real stages."""

from __future__ import annotations

import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from datagen.core.errors import ConfigError
from datagen.execute.engines.progress_events import RunObserver, Summary
from datagen.execute.inspect.bootstrap import NOTHING, Forecast, Values, forecast_amount, forecast_count
from datagen.execute.ledger.entries import as_parquet
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.reuse.answer_cache import CHECKPOINTS
from datagen.execute.reuse.run_manifest import last_run
from datagen.execute.run import RunOptions, run
from datagen.execute.workers.operators import WRITE, Operator, fuse
from datagen.execute.workers.slices import Slice, cut
from datagen.pipeline.graph_model import Graph
from datagen.sources.base import Source, SourceRow
from datagen.storage.store import Store

Resource = Literal["core", "gpu", "call"]
"""What hours are told of: a core, a GPU, or a call to a service, of which many wait side by side."""

FEWEST = 10
"""Draws; fewer tell next to nothing."""
_COLUMNS = ("slice", "id", "parent", "status", "stage", "reason", "seconds", "tokens", "usd", "size")
_HOURS = 1 / 3600


@dataclass
class Estimate:
    """A forecast of a whole run that finds nothing done."""

    rows: int
    """Of the source."""
    draws: int
    """Rows that were drawn."""
    seed: int
    accepted: Forecast
    """Before packing drops duplicates."""
    failed: Forecast
    rejected: dict[str, Forecast]
    """By `stage/reason`, those that were met."""
    unmet: Forecast
    """What any one reason that was not met may still reject."""
    hours: dict[Resource, Forecast]
    """By resource, all workers together."""
    stages: dict[str, dict[Resource, Forecast]]
    """The same by stage; `write` stores the samples."""
    tokens: Forecast
    usd: Forecast
    dataset_bytes: Forecast
    run_bytes: Forecast
    """Of what lies below `run/` besides: parts, ledger, kept answers."""
    seconds: float
    """That the estimate took."""
    notes: list[str] = field(default_factory=list)


def estimate(graph: Graph, *, draws: int, watcher: RunObserver, seed: int = 0, rows: int | None = None) -> Estimate:
    """Run some rows of the source through all stages, and forecast what the whole of it comes to.

    The source is cut into `draws` spans of equal length, and one row is drawn of each; with it comes the rest
    of its group. `rows` is how many rows there are; they are counted if it is not given. All is done in a
    temporary folder that is removed whatever happens; OUT is not looked at.

    Raises `ConfigError` if there are fewer rows than `rows` says.
    """
    begun = time.perf_counter()
    total = _counted(graph.source) if rows is None else rows
    units, drawn = draw(graph, draws=draws, rows=total, seed=seed)
    source = _Drawn(graph.source, tuple(row for unit in units for row in unit.rows))
    with tempfile.TemporaryDirectory(prefix="datagen-estimate-") as out:
        sampled = replace(graph, source=source)
        summary = run(sampled, out=out, options=RunOptions("local"), watcher=watcher)
        books = _booked(out, units, summary)
    return _told(graph, books, drawn, rows=total, seed=seed, seconds=time.perf_counter() - begun)


class _Drawn:
    """Some rows of a source, as a source."""

    def __init__(self, source: Source, rows: tuple[SourceRow, ...]) -> None:
        self.writes = source.writes
        self._rows = rows

    def check(self) -> None:
        """There is nothing to find wrong."""

    def count(self) -> int:
        """How many were drawn."""
        return len(self._rows)

    def rows(self) -> Iterator[SourceRow]:
        """Those that were drawn, in the source's order."""
        return iter(self._rows)


def _counted(source: Source) -> int:
    number = source.count()
    return sum(1 for _ in source.rows()) if number is None else number


def draw(graph: Graph, *, draws: int, rows: int, seed: int) -> tuple[list[Slice], list[int]]:
    """Rows or whole groups of the source, in its order, and for each draw which of them it took.

    Two draws may take the same group. Raises `ConfigError` if the source ends before `rows`.
    """
    places = _places(min(draws, rows), rows, seed)
    units: list[Slice] = []
    drawn: list[int] = []
    seen = 0
    for unit in cut(graph.source, size=1, group_by=graph.loaded.pipeline.source.group_by):
        seen += len(unit.rows)
        taken = sum(place < seen for place in places[len(drawn) : len(drawn) + len(unit.rows)])
        if taken:
            drawn += [len(units)] * taken
            units.append(unit)
        if len(drawn) == len(places):
            return units, drawn
    raise ConfigError(f"--rows says that the source has {rows:,} rows, but it has {seen:,}")


def _places(draws: int, rows: int, seed: int) -> list[int]:
    """One place in each of `draws` spans of equal length, in order."""
    edges = [span * rows // draws for span in range(draws + 1)]
    found: list[int] = np.random.default_rng(seed).integers(edges[:-1], edges[1:]).tolist()
    return found


@dataclass
class _UnitTotals:
    """What each unit came to, as columns; each is as long as there are units."""

    sizes: Values
    """Rows."""
    counts: dict[str, Values]
    """Records by `accepted`, `failed`, or `stage/reason`."""
    seconds: dict[str, Values]
    """By stage."""
    tokens: Values
    usd: Values
    dataset: Values
    """Bytes."""
    run: Values
    """Bytes besides."""


def _booked(out: str, units: Sequence[Slice], summary: Summary) -> _UnitTotals:
    store = Store(out)
    ledger = Ledger(store, last_run(store))
    rows = pa.concat_tables(ledger.tables(ledger.slices()))
    unit_of = {row.id: number for number, unit in enumerate(units) for row in unit.rows}
    empty = np.zeros(len(units))
    books = _UnitTotals(
        sizes=np.array([len(unit.rows) for unit in units], np.float64),
        counts=defaultdict(empty.copy, accepted=empty.copy()),
        seconds=defaultdict(empty.copy),
        tokens=empty.copy(),
        usd=empty.copy(),
        dataset=empty.copy(),
        run=empty.copy(),
    )
    parents: dict[str, str] = {}
    for row in rows.select(list(_COLUMNS)).to_pylist():
        parents[row["id"]] = row["parent"]
    slices: dict[str, list[int]] = defaultdict(list)
    for row in rows.select(list(_COLUMNS)).to_pylist():
        unit = unit_of[_root(row["id"], parents)]
        slices[row["slice"]].append(unit)
        _enter(books, unit, row)
    _enter_writing(books, summary)
    _enter_files(books, store, slices, ledger_bytes=len(as_parquet(rows)))
    return books


def _root(id: str, parents: Mapping[str, str]) -> str:
    """The row of the source that a record descends from."""
    while parent := parents.get(id):
        id = parent
    return id


def _enter(books: _UnitTotals, unit: int, row: Mapping[str, Any]) -> None:
    if row["status"] in ("accepted", "failed"):
        books.counts[row["status"]][unit] += 1
    elif row["status"] == "rejected":
        books.counts[f"{row['stage']}/{row['reason']}"][unit] += 1
    for stage, seconds in json.loads(row["seconds"]).items():
        books.seconds[stage][unit] += seconds
    books.tokens[unit] += row["tokens"]
    books.usd[unit] += row["usd"]
    books.dataset[unit] += row["size"]


def _enter_writing(books: _UnitTotals, summary: Summary) -> None:
    """Storing samples is not booked by record: each accepted one bears the same."""
    accepted = books.counts["accepted"]
    if accepted.any() and WRITE in summary.stage_counters:
        books.seconds[WRITE] = summary.stage_counters[WRITE].seconds * accepted / accepted.sum()


def _enter_files(books: _UnitTotals, store: Store, slices: Mapping[str, list[int]], *, ledger_bytes: int) -> None:
    """Parts are as large as the dataset; what is kept by slice, its records bear alike, and all bear the ledger."""
    books.run += books.dataset + ledger_bytes * books.sizes / books.sizes.sum()
    for path, size in store.files(CHECKPOINTS).items():
        units = slices[path.rpartition("/")[2].partition(".")[0]]
        np.add.at(books.run, units, size / len(units))


def _told(graph: Graph, books: _UnitTotals, drawn: Sequence[int], *, rows: int, seed: int, seconds: float) -> Estimate:
    shares = 1 / books.sizes[list(drawn)]  # a draw stands for one row, also where its group was run with it

    def per_row(values: Values) -> Values:
        return values[list(drawn)] * shares

    def count(values: Values) -> Forecast:
        return forecast_count(per_row(values), rows=rows, seed=seed)

    def amount(values: Values) -> Forecast:
        return forecast_amount(per_row(values), rows=rows, seed=seed)

    nothing = np.zeros(len(books.sizes))
    used = _used(graph, books.seconds)
    totals: dict[Resource, Values] = defaultdict(nothing.copy)
    for by_resource in used.values():
        for resource, values in by_resource.items():
            totals[resource] += values
    reasons = [name for name in books.counts if "/" in name]
    return Estimate(
        rows=rows,
        draws=len(drawn),
        seed=seed,
        accepted=count(books.counts["accepted"]),
        failed=count(books.counts.get("failed", nothing)),
        rejected={name: count(books.counts[name]) for name in reasons},
        unmet=NOTHING if len(drawn) >= rows else count(nothing),
        hours={resource: amount(values).times(_HOURS) for resource, values in totals.items()},
        stages={
            stage: {resource: amount(values).times(_HOURS) for resource, values in by_resource.items()}
            for stage, by_resource in used.items()
        },
        tokens=amount(books.tokens),
        usd=amount(books.usd),
        dataset_bytes=amount(books.dataset),
        run_bytes=amount(books.run),
        seconds=seconds,
        notes=list(_notes(graph)),
    )


def _used(graph: Graph, seconds: Mapping[str, Values]) -> dict[str, dict[Resource, Values]]:
    """Seconds of each resource by stage, in the order in which they run."""
    stages = [(node.id, operator) for operator in fuse(graph) for node in operator.nodes] + [(WRITE, None)]
    return {id: dict(_resources(seconds[id], operator)) for id, operator in stages if id in seconds}


def _resources(seconds: Values, operator: Operator | None) -> Iterator[tuple[Resource, Values]]:
    """What a stage reserves while it works; None stands for storing the samples."""
    if operator is None:
        yield "core", seconds
        return
    if operator.cost == 2:
        yield "call", seconds
    if operator.gpus:
        yield "gpu", seconds * operator.gpus
    if operator.cpus:
        yield "core", seconds * operator.cpus


def _notes(graph: Graph) -> Iterator[str]:
    yield "starting workers and loading models comes on top, once for each worker; so does packing"
    if any(node.cost == 2 for node in graph.nodes):
        yield "a call waits beside others: hours of calls over `resources.concurrency` and workers make hours of time"
