"""Metrics of a run for Ray's dashboard, Prometheus and Grafana.

The driver exports them, not the workers. So the counts agree with the ledger, nothing is lost with a worker that dies,
and there is one time series for each stage instead of one for each worker.

Ray adds the prefix `ray_` to each name, and the suffix `_total` to the names of counters.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from ray.util.metrics import Counter, Gauge

from datagen.execute.ledger.stage_counters import CountersByStage

_COUNTERS = {
    "taken": ("datagen_records_in", "Records that met the stage."),
    "passed": ("datagen_records_out", "Records that left the stage."),
    "rejected": ("datagen_records_rejected", "Records that the stage rejected."),
    "failed": ("datagen_records_failed", "Records that failed in the stage."),
    "reused": ("datagen_records_reused", "Records whose answer was kept from before."),
    "calls": ("datagen_calls", "Calls of the stage."),
    "seconds": ("datagen_seconds", "Seconds in the stage's calls."),
    "tokens": ("datagen_tokens", "Tokens that the stage was charged."),
    "usd": ("datagen_usd", "US dollars that the stage was charged."),
}
"""Name and description, by the field of `StageCounters`; each has the tag `stage`."""


class PoolState(NamedTuple):
    """The current load of one pool of workers."""

    operator: str
    workers: int
    waiting: int
    """Slices that wait for a worker."""
    working: int
    """Slices that were given to workers, queued ones included."""


@cache
def _ray_counters() -> dict[str, Counter]:
    return {part: Counter(name, description=text, tag_keys=("stage",)) for part, (name, text) in _COUNTERS.items()}


@cache
def _gauges() -> tuple[Gauge, Gauge, Gauge]:
    def of_operators(name: str, text: str) -> Gauge:
        return Gauge(name, description=text, tag_keys=("operator",))

    return (
        of_operators("datagen_workers", "Workers of the operator."),
        of_operators("datagen_waiting_slices", "Slices that wait for the operator."),
        of_operators("datagen_working_slices", "Slices that the operator's workers have."),
    )


@cache
def _committed() -> Counter:
    return Counter("datagen_slices_committed", description="Slices that were committed.", tag_keys=("operator",))


def export_stage_counters(stage_counters: CountersByStage) -> None:
    """Add what stages did to the counters."""
    for stage, counters in stage_counters.items():
        for part, value in counters.nonzero().items():
            _ray_counters()[part].inc(value, tags={"stage": stage})


def export_pools(pools: Iterable[PoolState]) -> None:
    """Set the gauges to the current number of workers and slices of each operator."""
    workers, waiting, working = _gauges()
    for pool in pools:
        tags = {"operator": pool.operator}
        workers.set(pool.workers, tags=tags)
        waiting.set(pool.waiting, tags=tags)
        working.set(pool.working, tags=tags)


def export_committed(slices: int, *, operator: str) -> None:
    """Add slices that the last operator, named `operator`, committed."""
    _committed().inc(slices, tags={"operator": operator})
