"""Who is told of a run, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from datagen.execute.ledger.ledger import Counts
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters
from datagen.execute.workers.commit import Committer, Report
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.slices import Job
from datagen.execute.workers.worker import Place
from datagen.shards.shard import ShardDone, ShardJob


class StageTold(NamedTuple):
    """What one stage did in this run, and how it does now."""

    stage: str
    counters: StageCounters
    workers: int = 0
    """Of its operator; 0 where the engine has none."""
    rate: float | None = None
    """Records that met it, a second, of late; None before that can be told."""
    busy: float | None = None
    """Share of its workers' time that it took of late, 0 to 1."""


class Told(NamedTuple):
    """How far a run is: slices and records that were computed now."""

    slices: int
    counts: Counts
    before: int = 0
    """Slices that an earlier run did."""
    total: int | None = None
    """Slices in all, as estimated; None where the source cannot tell."""
    seconds: float = 0.0
    """Since the run began."""
    seconds_left: float | None = None
    """None before there is evidence."""
    rate: float | None = None
    """Records that ended, a second, of late."""
    stages: tuple[StageTold, ...] = ()
    bottleneck: str = ""
    """The stage whose workers have the least time to spare; empty before that can be told."""

    @property
    def tokens(self) -> int:
        """Tokens charged in this run."""
        return sum(told.counters.tokens for told in self.stages)

    @property
    def usd(self) -> float:
        """US dollars charged in this run."""
        return sum(told.counters.usd for told in self.stages)


class Heard(NamedTuple):
    """What an engine tells as it goes."""

    stage_counters: CountersByStage
    """What stages did since it told last."""
    report: Report | None = None
    """Of a slice that was committed."""
    notes: Sequence[str] = ()
    """What a person should know."""
    workers: Mapping[str, int] = {}
    """How many each stage has."""
    working: Mapping[str, float] = {}
    """Share of them that has work now; not of those that wait for a service."""


class Running(Protocol):
    """An engine, entered."""

    def run(
        self, operators: Sequence[Operator], committer: Committer, place: Place, jobs: Iterable[Job]
    ) -> Iterator[Heard]:
        """Run every slice through all operators; tells of what happens as it happens."""
        ...

    def map_jobs(self, function: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob], /) -> Iterable[ShardDone]:
        """Write shards, in whatever order."""
        ...


class Watching(Protocol):
    """Whoever is told of a run, and may end it."""

    @property
    def stopping(self) -> bool:
        """No further slice is to be begun."""
        ...

    def say(self, text: str) -> None:
        """Something that happens once."""
        ...

    def progressed(self, told: Told) -> None:
        """Something was done, or some seconds went by."""
        ...


@dataclass
class Summary:
    """What a run came to."""

    counts: Counts
    slices: int
    computed: int
    """Slices computed now; the others were committed before."""
    seconds: float
    stage_counters: CountersByStage = field(default_factory=dict)
    """What each stage did now."""
    shards: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    example: str = ""
    """Key of one accepted sample."""
    failed: list[str] = field(default_factory=list)
    """Ids of some that failed."""
    waits_for: str = ""
    """What keeps a shared OUT from being packed by this run; '' if it was packed."""
