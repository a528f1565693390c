"""What Ray's dashboard, Prometheus and Grafana are told of a run.

The driver exports it, so that what a worker did is not lost with the worker.
Ray adds `ray_` before each name, and `_total` behind a counter's.
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


class PoolNow(NamedTuple):
    """What a pool of workers has to do."""

    operator: str
    workers: int
    waiting: int
    """Slices that wait for them."""
    working: int
    """Slices that they work on, or have queued."""


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


def count(stage_counters: CountersByStage) -> None:
    """Add what stages did."""
    for stage, counters in stage_counters.items():
        for part, value in counters.nonzero().items():
            _ray_counters()[part].inc(value, tags={"stage": stage})


def tell_pools(pools: Iterable[PoolNow]) -> None:
    """How many workers and slices each operator has now."""
    workers, waiting, working = _gauges()
    for pool in pools:
        tags = {"operator": pool.operator}
        workers.set(pool.workers, tags=tags)
        waiting.set(pool.waiting, tags=tags)
        working.set(pool.working, tags=tags)


def count_committed(slices: int, *, operator: str) -> None:
    """Add slices that the last operator committed."""
    _committed().inc(slices, tags={"operator": operator})
