"""Throughput of a run: recent rates, the bottleneck and the time left.

All figures come from the engine's events. Results arrive in bursts, as workers that start together also finish
together. So rates are means over a window, and nothing is reported before there is enough evidence.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from datagen.execute.engines.progress_events import EngineEvent, RunProgress, StageProgress
from datagen.execute.ledger.ledger import Counts
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_all
from datagen.execute.workers.operators import WRITE, Operator, plan_pools

WINDOW_SECONDS = 30.0
"""Length of the window that counts as recent."""
_MIN_ENTRIES = 8
"""The window gets longer until it has this many entries: slow slices are counted over minutes."""
_MERGE_SECONDS = 1.0
"""Events within this time make one entry; at the start the time is longer."""
_MAX_START_SECONDS = 60.0
"""Limit of the two waiting times that depend on how long the first event took (`_merge_seconds`, `since`)."""
_NEARLY_BUSIEST = 0.9
"""An operator with this share of the busiest one's busy time counts as equally busy."""
_MIN_SLICES = 3
_MIN_SECONDS = 5.0
"""With fewer slices or seconds than these, no time left is estimated."""


class RecentTotals:
    """Sums of amounts in the recent window, by name, and the time that they took.

    The first entry only starts the clock, as nobody knows when its work began: its amounts count in no sum.
    `begun` is when the run started, in seconds of the clock that `add` and `since` are given.
    """

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._first = begun
        self._entries: deque[tuple[float, dict[str, float]]] = deque()

    def add(self, now: float, **amounts: float) -> None:
        """Add amounts that were reported at the time `now`."""
        if self._entries and now - self._entries[-1][0] < self._merge_seconds:
            _, last = self._entries[-1]
            for name, amount in amounts.items():
                last[name] = last.get(name, 0) + amount
        else:
            self._first = self._first if self._entries else now
            self._entries.append((now, amounts))
        # One entry before the window stays: it says when the first one in the window began.
        while len(self._entries) > _MIN_ENTRIES + 1 and self._entries[1][0] <= now - WINDOW_SECONDS:
            self._entries.popleft()

    @property
    def _merge_seconds(self) -> float:
        """Seconds within which events make one entry.

        For the first entry it is half the time that it took: workers that started together report over a while, and
        the later ones of them would otherwise look like a second round that took no time.
        """
        if len(self._entries) > 1:
            return _MERGE_SECONDS
        return min(max(_MERGE_SECONDS, (self._first - self._begun) / 2), _MAX_START_SECONDS)

    def since(self, now: float) -> float:
        """Seconds that the sums cover; 0 while it is too early for a rate.

        It is too early before the second entry, and before the run has gone on for as long as the first one took.
        """
        if len(self._entries) < 2:
            return 0.0
        waited = now - self._first >= min(self._first - self._begun, _MAX_START_SECONDS)
        return now - self._entries[0][0] if waited else 0.0

    def sum(self, name: str) -> float:
        """Sum of the amount `name`, without the first entry."""
        return sum(amounts.get(name, 0) for (_, _), (_, amounts) in pairwise(self._entries))


class Throughput:
    """Sums up the events of an engine into rates, the bottleneck and the time left.

    `clock` returns seconds.
    """

    def __init__(self, operators: Sequence[Operator], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._groups = [{node.id: _concurrent_calls(operator) for node in operator.nodes} for operator in operators]
        self._groups[-1].setdefault(WRITE, 1)
        pools = sorted(plan_pools(operators), key=lambda plan: plan.steps[-1])
        self._pools = [{stage for step in plan.steps for stage in self._groups[step]} for plan in pools]
        """Stages that share a pool of workers, the pool that ends last at the end."""
        self._stage_counters: CountersByStage = {stage: StageCounters() for group in self._groups for stage in group}
        self._recent: dict[str, RecentTotals] = {}
        self._slices = RecentTotals(self._begun)
        self._workers: dict[str, int] = {}
        self._working: dict[str, float] = {}
        self._last_event_at = self._begun
        self._busy_seconds = [RecentTotals(self._begun) for _ in self._groups]

    def add_event(self, event: EngineEvent) -> None:
        """Count an event of the engine."""
        now = self._clock()
        for group, busy_seconds in zip(self._groups, self._busy_seconds, strict=True):
            if (share := self._working.get(next(iter(group)))) is not None:
                busy_seconds.add(now, seconds=share * (now - self._last_event_at))
        self._last_event_at = now
        self._workers.update(event.workers)
        self._working.update(event.working)
        add_all(self._stage_counters, event.stage_counters.items())
        for stage, counters in event.stage_counters.items():
            self._recent.setdefault(stage, RecentTotals(self._begun)).add(
                now, taken=counters.taken, seconds=counters.seconds
            )
        if event.report:
            self._slices.add(now, slices=1, records=event.report.counts.records)

    def progress(self, counts: Counts, *, slices: int, before: int = 0, total: int | None = None) -> RunProgress:
        """The progress of the run now.

        `slices` and `before` are the numbers of slices that this run and earlier ones committed, `total` that of all
        slices, None if unknown.
        """
        now = self._clock()
        stages = tuple(self._stage(stage, now) for stage in self._stage_counters)
        return RunProgress(
            slices,
            counts,
            before,
            total,
            seconds=now - self._begun,
            seconds_left=None if total is None else self._left(max(0, total - before - slices), now),
            rate=self._rate(self._slices, "records", now),
            stages=stages,
            bottleneck=self._bottleneck(stages),
        )

    def _stage(self, stage: str, now: float) -> StageProgress:
        recent = self._recent.get(stage, RecentTotals(self._begun))
        workers = self._workers.get(stage, 0)
        return StageProgress(
            stage,
            self._stage_counters[stage],
            workers,
            self._rate(recent, "taken", now),
            self._busy(stage, recent, now),
        )

    def _busy(self, stage: str, recent: RecentTotals, now: float) -> float | None:
        """Share of its workers' time that a stage uses, 0 to 1; None if unknown.

        The engine knows which workers have a call. This counts calls that are still running; a worker reports its own
        seconds only when a call ends, which may be minutes later. Stages that share a worker share its time in
        proportion to their seconds. Without such a figure (local engine, stages that wait for a service) the seconds
        that were reported are used.
        """
        group, busy_seconds = next(
            pair for pair in zip(self._groups, self._busy_seconds, strict=True) if stage in pair[0]
        )
        if (share := self._rate(busy_seconds, "seconds", now)) is not None:
            all_seconds = sum(self._stage_counters[other].seconds for other in group)
            return share * self._stage_counters[stage].seconds / all_seconds if all_seconds else None
        busy = self._rate(recent, "seconds", now)
        room = max(1, self._workers.get(stage, 0)) * group[stage]
        return None if busy is None else min(1.0, busy / room)

    def _rate(self, recent: RecentTotals, what: str, now: float) -> float | None:
        """Amount `what` per second; None while it is too early."""
        seconds = recent.since(now)
        return recent.sum(what) / seconds if seconds >= _MERGE_SECONDS else None

    def _left(self, slices: int, now: float) -> float | None:
        """Seconds that `slices` more will take; None without enough evidence."""
        done, seconds = self._slices.sum("slices"), self._slices.since(now)
        if not slices:
            return 0.0
        return slices * seconds / done if done >= _MIN_SLICES and seconds >= _MIN_SECONDS else None

    def _bottleneck(self, stages: Iterable[StageProgress]) -> str:
        """The busiest stage of the busiest pool; without workers (local engine), the busiest of all.

        Of several pools that are about equally busy the last one counts: the ones before it are only filling its
        queue.
        """
        busy = {stage.stage: stage.busy for stage in stages if stage.busy}
        groups = self._pools if self._workers else [set(busy)]
        shares = [{stage: busy[stage] for stage in busy if stage in group} for group in groups]
        most = max(sum(group.values()) for group in shares)
        busiest = next(group for group in reversed(shares) if sum(group.values()) >= _NEARLY_BUSIEST * most)
        return max(busiest, key=busiest.__getitem__, default="")


def _concurrent_calls(operator: Operator) -> int:
    """Calls that one worker runs at the same time: only calls to a service overlap."""
    return operator.batch if operator.cost > 1 else 1
