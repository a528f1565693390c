"""What the runs into an OUT took, by stage: the ledger knows seconds by stage, but money by record only."""

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
"""Beside the slices: what one driver spent, or a share of several."""
_OURS = re.compile(rf"{_NAME}(-\d+-of-\d+)?\.json")


class RunCost(NamedTuple):
    """What runs under one fingerprint took; a driver that was killed is not in it."""

    seconds: float
    """From start to end, all runs one after another; of shares, the longest."""
    stage_counters: CountersByStage


def add_run_cost(
    ledger: Ledger, stage_counters: Mapping[str, StageCounters], *, seconds: float, share: Partition | None
) -> None:
    """Add what a run took to what earlier ones did; OUT is held meanwhile. Raises `StoreError`."""
    if not stage_counters:
        return
    name = f"{ledger.folder}/{_NAME}{f'-{share.number}-of-{share.of}' if share else ''}.json"
    before = _read(ledger.store, name) if ledger.store.exists(name) else RunCost(0.0, {})
    total = before.stage_counters
    add_all(total, stage_counters.items())
    told = {
        "seconds": before.seconds + seconds,
        "stages": {stage: asdict(counters) for stage, counters in total.items()},
    }
    ledger.store.write(name, json.dumps(told, indent=1).encode())


def read_run_cost(ledger: Ledger) -> RunCost:
    """What all runs took, as far as it was noted; a note that is damaged counts as none."""
    total: CountersByStage = {}
    seconds = [0.0]
    for name in filter(_OURS.fullmatch, ledger.store.names(ledger.folder)):
        found = _read(ledger.store, f"{ledger.folder}/{name}")
        add_all(total, found.stage_counters.items())
        seconds.append(found.seconds)
    return RunCost(max(seconds), total)


def _read(store: Store, name: str) -> RunCost:
    try:
        told = json.loads(store.read(name))
        return RunCost(float(told["seconds"]), {str(stage): _counters_in(row) for stage, row in told["stages"].items()})
    except (StoreError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return RunCost(0.0, {})


def _counters_in(row: Mapping[str, Any]) -> StageCounters:
    found = {part.name: type(part.default)(row[part.name]) for part in fields(StageCounters)}  # type: ignore[misc]
    return StageCounters(**found)
