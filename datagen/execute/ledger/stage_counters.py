"""Counters of what stages did: records in and out, calls, time and cost.

A run counts as it goes (`StageCounters.add`); `status` and the report count the rows of its ledger (`add_row`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields


@dataclass
class StageCounters:
    """What one stage did with some records.

    Counted from a ledger, `reused` and `calls` are 0: its rows do not have them.
    """

    taken: int = 0
    """Records that entered it."""
    passed: int = 0
    """Records that left it: those that it passed on, or that it made."""
    rejected: int = 0
    failed: int = 0
    reused: int = 0
    """Records whose answer was in the answer cache."""
    calls: int = 0
    """How often it was called."""
    seconds: float = 0.0
    """In its calls, all workers together. From a ledger, a reused answer counts the seconds that it took originally."""
    tokens: int = 0
    usd: float = 0.0
    """US dollars. From a ledger, `tokens` and `usd` include what earlier runs paid for reused answers."""

    def add(self, other: StageCounters) -> None:
        """Add the counters of another part of the run."""
        for part in fields(self):
            setattr(self, part.name, getattr(self, part.name) + getattr(other, part.name))

    def nonzero(self) -> dict[str, float]:
        """The counters that are not 0, by name."""
        return {name: value for name, value in asdict(self).items() if value}


CountersByStage = dict[str, StageCounters]
"""By stage id."""


def add_all(total: CountersByStage, more: Iterable[tuple[str, StageCounters]]) -> None:
    """Add `more` to `total`."""
    for stage, counters in more:
        total.setdefault(stage, StageCounters()).add(counters)


def add_row(
    total: CountersByStage,
    *,
    status: str,
    stage: str,
    children: int,
    seconds: Mapping[str, float],
    tokens: Mapping[str, float] = {},
    usd: Mapping[str, float] = {},
) -> None:
    """Add a ledger row: a record that entered the stages of `seconds`, and ended in `stage`.

    `stage` is '' for an accepted record. It may be missing in `seconds`, as a record that is known to kill its worker
    fails untried. `children` is the number of records that `stage` made of it. `seconds`, `tokens` and `usd` are by
    stage. Records also end in the source and in packing; these count under their names.
    """
    for name in seconds if not stage or stage in seconds else (*seconds, stage):
        counters = total.setdefault(name, StageCounters())
        counters.taken += 1
        counters.passed += 1
        counters.seconds += seconds.get(name, 0.0)
    if stage:
        ended = total[stage]
        ended.passed += children - 1
        ended.rejected += status == "rejected"
        ended.failed += status == "failed"
    for name, amount in tokens.items():
        total.setdefault(name, StageCounters()).tokens += int(amount)
    for name, dollars in usd.items():
        total.setdefault(name, StageCounters()).usd += dollars
