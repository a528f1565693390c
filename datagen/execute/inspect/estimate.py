"""`plan --estimate`: forecasts the yield and the cost of a run from a sample of rows, run through the real stages."""

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
"""What the hours of an estimate are hours of: a core, a GPU, or an open call of a service (many are open at once)."""

_COLUMNS = ("slice", "id", "parent", "status", "stage", "reason", "seconds", "tokens", "usd", "size")
_HOURS_PER_SECOND = 1 / 3600


@dataclass
class Estimate:
    """A forecast of a whole run into an empty OUT."""

    rows: int
    """Rows of the source."""
    draws: int
    """Rows that were drawn."""
    seed: int
    accepted: Forecast
    """Before packing drops duplicates."""
    failed: Forecast
    rejected: dict[str, Forecast]
    """By `stage/reason`, for reasons that rejected some drawn record."""
    unmet: Forecast
    """Records that any single other reason may reject."""
    hours: dict[Resource, Forecast]
    """By resource, all workers together."""
    stages: dict[str, dict[Resource, Forecast]]
    """The same by stage; `write` stores the samples."""
    tokens: Forecast
    usd: Forecast
    dataset_bytes: Forecast
    run_bytes: Forecast
    """Of `run/`, in addition: parts, ledger, stored answers."""
    seconds: float
    """Wall time of the estimate itself."""
    notes: list[str] = field(default_factory=list)


def estimate(graph: Graph, *, draws: int, watcher: RunObserver, seed: int = 0, rows: int | None = None) -> Estimate:
    """Run a sample of source rows through all stages, and forecast the result of running all rows.

    The source is cut into `draws` spans of equal length. One row is drawn from each span, together with the other rows
    of its group. `rows` is the number of rows of the source; if it is None, they are counted. The sample runs in a
    temporary folder, which is always removed. OUT is not used, because earlier rows are no random sample.

    Raises `ConfigError` if the source has fewer than `rows` rows.
    """
    begun = time.perf_counter()
    total = _count_rows(graph.source) if rows is None else rows
    units, drawn = draw(graph, draws=draws, rows=total, seed=seed)
    source = _SampledSource(graph.source, tuple(row for unit in units for row in unit.rows))
    with tempfile.TemporaryDirectory(prefix="datagen-estimate-") as out:
        sampled = replace(graph, source=source)
        summary = run(sampled, out=out, options=RunOptions("local"), watcher=watcher)
        totals = _collect_totals(out, units, summary)
    return _forecast_all(graph, totals, drawn, rows=total, seed=seed, seconds=time.perf_counter() - begun)


class _SampledSource:
    """A source of the drawn rows only."""

    def __init__(self, source: Source, rows: tuple[SourceRow, ...]) -> None:
        self.writes = source.writes
        self._rows = rows

    def check(self) -> None:
        """Does nothing, as the rows have been read already."""

    def count(self) -> int:
        """The number of drawn rows."""
        return len(self._rows)

    def rows(self) -> Iterator[SourceRow]:
        """The drawn rows, in the order of the source."""
        return iter(self._rows)


def _count_rows(source: Source) -> int:
    number = source.count()
    return sum(1 for _ in source.rows()) if number is None else number


def draw(graph: Graph, *, draws: int, rows: int, seed: int) -> tuple[list[Slice], list[int]]:
    """The drawn units, each a row or a whole group, in the order of the source, and the unit index of each draw.

    Two draws may take the same group. Raises `ConfigError` if the source has fewer than `rows` rows.
    """
    positions = _draw_positions(min(draws, rows), rows, seed)
    units: list[Slice] = []
    drawn: list[int] = []
    walked = 0
    for unit in cut(graph.source, size=1, group_by=graph.loaded.pipeline.source.group_by):
        walked += len(unit.rows)
        taken = sum(position < walked for position in positions[len(drawn) : len(drawn) + len(unit.rows)])
        if taken:
            drawn += [len(units)] * taken
            units.append(unit)
        if len(drawn) == len(positions):
            return units, drawn
    raise ConfigError(f"--rows says that the source has {rows:,} rows, but it has {walked:,}")


def _draw_positions(draws: int, rows: int, seed: int) -> list[int]:
    """One random row index in each of `draws` spans of equal length, ascending. So a sorted source is covered."""
    edges = [span * rows // draws for span in range(draws + 1)]
    found: list[int] = np.random.default_rng(seed).integers(edges[:-1], edges[1:]).tolist()
    return found


@dataclass
class _UnitTotals:
    """Results and costs of the drawn units; every array has one value for each unit."""

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
    """Bytes of `run/`."""


def _collect_totals(out: str, units: Sequence[Slice], summary: Summary) -> _UnitTotals:
    store = Store(out)
    ledger = Ledger(store, last_run(store))
    rows = pa.concat_tables(ledger.tables(ledger.slices()))
    unit_of = {row.id: number for number, unit in enumerate(units) for row in unit.rows}
    empty = np.zeros(len(units))
    totals = _UnitTotals(
        sizes=np.array([len(unit.rows) for unit in units], np.float64),
        counts=defaultdict(empty.copy, accepted=empty.copy()),
        seconds=defaultdict(empty.copy),
        tokens=empty.copy(),
        usd=empty.copy(),
        dataset=empty.copy(),
        run=empty.copy(),
    )
    # All parents first: the row of a record's parent may come after its own.
    parents: dict[str, str] = {}
    for row in rows.select(list(_COLUMNS)).to_pylist():
        parents[row["id"]] = row["parent"]
    slices: dict[str, list[int]] = defaultdict(list)
    for row in rows.select(list(_COLUMNS)).to_pylist():
        unit = unit_of[_source_row_of(row["id"], parents)]
        slices[row["slice"]].append(unit)
        _add_row(totals, unit, row)
    _add_writing(totals, summary)
    _add_files(totals, store, slices, ledger_bytes=len(as_parquet(rows)))
    return totals


def _source_row_of(id: str, parents: Mapping[str, str]) -> str:
    """The id of the source row that a record descends from."""
    while parent := parents.get(id):
        id = parent
    return id


def _add_row(totals: _UnitTotals, unit: int, row: Mapping[str, Any]) -> None:
    if row["status"] in ("accepted", "failed"):
        totals.counts[row["status"]][unit] += 1
    elif row["status"] == "rejected":
        totals.counts[f"{row['stage']}/{row['reason']}"][unit] += 1
    for stage, seconds in json.loads(row["seconds"]).items():
        totals.seconds[stage][unit] += seconds
    totals.tokens[unit] += row["tokens"]
    totals.usd[unit] += row["usd"]
    totals.dataset[unit] += row["size"]


def _add_writing(totals: _UnitTotals, summary: Summary) -> None:
    """Divide the seconds of storing samples, which no ledger row has, equally among the accepted records."""
    accepted = totals.counts["accepted"]
    if accepted.any() and WRITE in summary.stage_counters:
        totals.seconds[WRITE] = summary.stage_counters[WRITE].seconds * accepted / accepted.sum()


def _add_files(totals: _UnitTotals, store: Store, slices: Mapping[str, list[int]], *, ledger_bytes: int) -> None:
    """Add the bytes of `run/`: parts, answers, ledger.

    Parts are as large as the dataset. The answers of a slice are divided equally among its records, and the ledger
    among all rows.
    """
    totals.run += totals.dataset + ledger_bytes * totals.sizes / totals.sizes.sum()
    for path, size in store.files(CHECKPOINTS).items():
        units = slices[path.rpartition("/")[2].partition(".")[0]]
        np.add.at(totals.run, units, size / len(units))


def _forecast_all(
    graph: Graph, totals: _UnitTotals, drawn: Sequence[int], *, rows: int, seed: int, seconds: float
) -> Estimate:
    weights = 1 / totals.sizes[list(drawn)]  # a draw stands for one row, also if it brought a whole group

    def per_row(values: Values) -> Values:
        return values[list(drawn)] * weights

    def count(values: Values) -> Forecast:
        return forecast_count(per_row(values), rows=rows, seed=seed)

    def amount(values: Values) -> Forecast:
        return forecast_amount(per_row(values), rows=rows, seed=seed)

    nothing = np.zeros(len(totals.sizes))
    used = _seconds_by_resource(graph, totals.seconds)
    seconds_of: dict[Resource, Values] = defaultdict(nothing.copy)
    for by_resource in used.values():
        for resource, values in by_resource.items():
            seconds_of[resource] += values
    reasons = [name for name in totals.counts if "/" in name]
    return Estimate(
        rows=rows,
        draws=len(drawn),
        seed=seed,
        accepted=count(totals.counts["accepted"]),
        failed=count(totals.counts.get("failed", nothing)),
        rejected={name: count(totals.counts[name]) for name in reasons},
        unmet=NOTHING if len(drawn) >= rows else count(nothing),
        hours={resource: amount(values).times(_HOURS_PER_SECOND) for resource, values in seconds_of.items()},
        stages={
            stage: {resource: amount(values).times(_HOURS_PER_SECOND) for resource, values in by_resource.items()}
            for stage, by_resource in used.items()
        },
        tokens=amount(totals.tokens),
        usd=amount(totals.usd),
        dataset_bytes=amount(totals.dataset),
        run_bytes=amount(totals.run),
        seconds=seconds,
        notes=list(_notes(graph)),
    )


def _seconds_by_resource(graph: Graph, seconds: Mapping[str, Values]) -> dict[str, dict[Resource, Values]]:
    """Seconds of each resource by stage, in the order in which the stages run."""
    stages = [(node.id, operator) for operator in fuse(graph) for node in operator.nodes] + [(WRITE, None)]
    return {id: dict(_resources(seconds[id], operator)) for id, operator in stages if id in seconds}


def _resources(seconds: Values, operator: Operator | None) -> Iterator[tuple[Resource, Values]]:
    """The seconds of the resources that a stage reserves while it works. `operator` is None for storing samples."""
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
