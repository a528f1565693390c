"""Totals of the runs into an OUT by stage, such as calls and reused answers, which no ledger row can hold."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, NamedTuple

from datagen.core.errors import StoreError
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.partitions import Partition
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_all
from datagen.storage.store import Store

_NAME = "spent"
"""File names begin with it. A single driver writes one file, each of several drivers its own."""
_OURS = re.compile(rf"{_NAME}(-\d+-of-\d+)?\.json")


class RunCost(NamedTuple):
    """Time and counters of all runs with one fingerprint; without runs whose driver was killed."""

    seconds: float
    """Wall time of all runs together; of several drivers, that of the longest."""
    stage_counters: CountersByStage


def add_run_cost(
    ledger: Ledger, stage_counters: Mapping[str, StageCounters], *, seconds: float, partition: Partition | None
) -> None:
    """Add the time and counters of a run to those of earlier ones, while its lock is held. Raises `StoreError`."""
    if not stage_counters:
        return
    name = f"{ledger.folder}/{_NAME}{f'-{partition.number}-of-{partition.of}' if partition else ''}.json"
    before = _read(ledger.store, name) if ledger.store.exists(name) else RunCost(0.0, {})
    total = before.stage_counters
    add_all(total, stage_counters.items())
    content = {
        "seconds": before.seconds + seconds,
        "stages": {stage: asdict(counters) for stage, counters in total.items()},
    }
    ledger.store.write(name, json.dumps(content, indent=1).encode())


def read_run_cost(ledger: Ledger) -> RunCost:
    """Totals of all runs. A file that is missing or damaged counts as zero, as nothing but the report depends on it."""
    total: CountersByStage = {}
    seconds = [0.0]
    for name in filter(_OURS.fullmatch, ledger.store.names(ledger.folder)):
        found = _read(ledger.store, f"{ledger.folder}/{name}")
        add_all(total, found.stage_counters.items())
        seconds.append(found.seconds)
    return RunCost(max(seconds), total)


def _read(store: Store, name: str) -> RunCost:
    try:
        found = json.loads(store.read(name))
        return RunCost(
            float(found["seconds"]), {str(stage): _counters_in(row) for stage, row in found["stages"].items()}
        )
    except (StoreError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return RunCost(0.0, {})


def _counters_in(row: Mapping[str, Any]) -> StageCounters:
    found = {part.name: type(part.default)(row[part.name]) for part in fields(StageCounters)}  # type: ignore[misc]
    return StageCounters(**found)
