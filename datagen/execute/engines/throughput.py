"""How fast a run is of late, what holds it up, and how long it will still take."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from datagen.execute.engines.progress_events import Heard, StageTold, Told
from datagen.execute.ledger.ledger import Counts
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_all
from datagen.execute.workers.operators import WRITE, Operator

WINDOW_SECONDS = 30.0
"""What counts as of late."""
_FEWEST_MOMENTS = 8
"""The window is longer where less than so much was heard in it: slow slices are counted over minutes."""
_BRIEF = 1.0
"""Seconds within which what is heard is taken together; longer at the start."""
_LONGEST_START = 60.0
"""In seconds; a start that took longer is waited for no longer."""
_NEARLY = 0.9
"""Of the busiest operator's share: as busy as that."""
_FEWEST_SLICES = 3
_FEWEST_SECONDS = 5.0
"""Less than that is no evidence of how long the rest will take."""


class Recent:
    """Amounts heard of late, by name, and the time they took.

    What is heard first has an unknown beginning, and workers that began together end together:
    it only starts the clock.
    """

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._first = begun
        self._moments: deque[tuple[float, dict[str, float]]] = deque()

    def add(self, now: float, **amounts: float) -> None:
        """Something was done, and is heard now."""
        if self._moments and now - self._moments[-1][0] < self._brief:
            _, last = self._moments[-1]
            for name, amount in amounts.items():
                last[name] = last.get(name, 0) + amount
        else:
            self._first = self._first if self._moments else now
            self._moments.append((now, amounts))
        while len(self._moments) > _FEWEST_MOMENTS + 1 and self._moments[1][0] <= now - WINDOW_SECONDS:
            self._moments.popleft()

    @property
    def _brief(self) -> float:
        """Seconds within which what is heard is taken together."""
        if len(self._moments) > 1:
            return _BRIEF
        return min(max(_BRIEF, (self._first - self._begun) / 2), _LONGEST_START)

    def since(self, now: float) -> float:
        """Seconds that the sums are of; 0 before there are any, and before as much was heard as a first answer took."""
        if len(self._moments) < 2:
            return 0.0
        waited = now - self._first >= min(self._first - self._begun, _LONGEST_START)
        return now - self._moments[0][0] if waited else 0.0

    def sum(self, name: str) -> float:
        """All of one amount, but for what was heard first."""
        return sum(amounts.get(name, 0) for (_, _), (_, amounts) in pairwise(self._moments))


class Pace:
    """Hears what an engine tells, and knows rates, the bottleneck and the time left."""

    def __init__(self, operators: Sequence[Operator], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun = clock()
        self._groups = [{node.id: _side_by_side(operator) for node in operator.nodes} for operator in operators]
        self._groups[-1].setdefault(WRITE, 1)
        self._stage_counters: CountersByStage = {stage: StageCounters() for group in self._groups for stage in group}
        self._recent: dict[str, Recent] = {}
        self._slices = Recent(self._begun)
        self._workers: dict[str, int] = {}
        self._working: dict[str, float] = {}
        self._heard = self._begun
        self._occupied = [Recent(self._begun) for _ in self._groups]

    def hear(self, heard: Heard) -> None:
        """Take in what an engine told."""
        now = self._clock()
        for group, occupied in zip(self._groups, self._occupied, strict=True):
            if (share := self._working.get(next(iter(group)))) is not None:
                occupied.add(now, seconds=share * (now - self._heard))
        self._heard = now
        self._workers.update(heard.workers)
        self._working.update(heard.working)
        add_all(self._stage_counters, heard.stage_counters.items())
        for stage, counters in heard.stage_counters.items():
            self._recent.setdefault(stage, Recent(self._begun)).add(now, taken=counters.taken, seconds=counters.seconds)
        if heard.report:
            self._slices.add(now, slices=1, records=heard.report.counts.records)

    def told(self, counts: Counts, *, slices: int, before: int = 0, total: int | None = None) -> Told:
        """How far the run is now."""
        now = self._clock()
        stages = tuple(self._stage(stage, now) for stage in self._stage_counters)
        return Told(
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

    def _stage(self, stage: str, now: float) -> StageTold:
        recent = self._recent.get(stage, Recent(self._begun))
        workers = self._workers.get(stage, 0)
        return StageTold(
            stage,
            self._stage_counters[stage],
            workers,
            self._rate(recent, "taken", now),
            self._busy(stage, recent, now),
        )

    def _busy(self, stage: str, recent: Recent, now: float) -> float | None:
        """Share of its workers' time; of those that the engine sees work, also in calls that are not done."""
        group, occupied = next(pair for pair in zip(self._groups, self._occupied, strict=True) if stage in pair[0])
        if (share := self._rate(occupied, "seconds", now)) is not None:
            all_seconds = sum(self._stage_counters[other].seconds for other in group)
            return share * self._stage_counters[stage].seconds / all_seconds if all_seconds else None
        busy = self._rate(recent, "seconds", now)
        room = max(1, self._workers.get(stage, 0)) * group[stage]
        return None if busy is None else min(1.0, busy / room)

    def _rate(self, recent: Recent, what: str, now: float) -> float | None:
        """So much a second; None before it can be told."""
        seconds = recent.since(now)
        return recent.sum(what) / seconds if seconds >= _BRIEF else None

    def _left(self, slices: int, now: float) -> float | None:
        """Seconds until so many slices more are done; None where there is no evidence."""
        done, seconds = self._slices.sum("slices"), self._slices.since(now)
        if not slices:
            return 0.0
        return slices * seconds / done if done >= _FEWEST_SLICES and seconds >= _FEWEST_SECONDS else None

    def _bottleneck(self, stages: Iterable[StageTold]) -> str:
        """The slowest stage of the operator whose workers are busiest; without workers, the slowest of all.

        Of several that hardly rest the last one counts: those before it work ahead of it.
        """
        busy = {told.stage: told.busy for told in stages if told.busy}
        groups = [set(group) for group in self._groups] if self._workers else [set(busy)]
        shares = [{stage: busy[stage] for stage in busy if stage in group} for group in groups]
        most = max(sum(group.values()) for group in shares)
        busiest = next(group for group in reversed(shares) if sum(group.values()) >= _NEARLY * most)
        return max(busiest, key=busiest.__getitem__, default="")


def _side_by_side(operator: Operator) -> int:
    """Calls that one worker has at once."""
    return operator.batch if operator.cost > 1 else 1
