"""What an engine reports while it runs, and what a run reports to its observer.

An engine yields `EngineEvent`s. `throughput.py` sums them up into `RunProgress`, which a `RunObserver` (the terminal
display) shows. `Summary` is the result of the whole run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from datagen.execute.ledger.ledger import Counts
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters
from datagen.execute.workers.commit import CommitReport, Committer
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.slices import Job
from datagen.execute.workers.worker import WorkerContext
from datagen.shards.shard import ShardDone, ShardJob


class StageProgress(NamedTuple):
    """What one stage did in this run, and its current rates."""

    stage: str
    counters: StageCounters
    workers: int = 0
    """Workers of its operator; 0 if the engine has no workers."""
    rate: float | None = None
    """Records per second that reached the stage recently; None while this is unknown."""
    busy: float | None = None
    """Share of its workers' time that it used recently, 0 to 1; None while this is unknown."""


class RunProgress(NamedTuple):
    """How far a run is. `slices` and `counts` are of the slices that this run computed."""

    slices: int
    counts: Counts
    before: int = 0
    """Slices that an earlier run committed."""
    total: int | None = None
    """Estimated number of all slices; None if the source does not know its number of rows."""
    seconds: float = 0.0
    """Since the run started."""
    seconds_left: float | None = None
    """None while too few slices are done for an estimate."""
    rate: float | None = None
    """Records per second that ended recently; None while this is unknown."""
    stages: tuple[StageProgress, ...] = ()
    bottleneck: str = ""
    """The stage whose workers are busiest; empty while this is unknown."""

    @property
    def tokens(self) -> int:
        """Tokens charged in this run."""
        return sum(stage.counters.tokens for stage in self.stages)

    @property
    def usd(self) -> float:
        """US dollars charged in this run."""
        return sum(stage.counters.usd for stage in self.stages)


class EngineEvent(NamedTuple):
    """What happened in an engine since its last event."""

    stage_counters: CountersByStage
    """What stages did since the last event."""
    report: CommitReport | None = None
    """The slice that was committed, if one was."""
    notes: Sequence[str] = ()
    """Messages for the user."""
    workers: Mapping[str, int] = {}
    """Workers by stage."""
    working: Mapping[str, float] = {}
    """Share of these workers that have work now, 0 to 1, by stage. Stages that wait for a service are left out."""


class RunningEngine(Protocol):
    """An engine whose context was entered."""

    def run(
        self, operators: Sequence[Operator], committer: Committer, worker_context: WorkerContext, jobs: Iterable[Job]
    ) -> Iterator[EngineEvent]:
        """Run each slice through all operators and commit it; yields events as they happen."""
        ...

    def map_jobs(self, function: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob], /) -> Iterable[ShardDone]:
        """Write shards; results come in any order."""
        ...


class RunObserver(Protocol):
    """Receives messages and the progress of a run, and may end it."""

    @property
    def stopping(self) -> bool:
        """Whether the run should start no further slices."""
        ...

    def notify(self, text: str) -> None:
        """Show a message to the user."""
        ...

    def on_progress(self, progress: RunProgress) -> None:
        """Called after each event of the engine."""
        ...


@dataclass
class Summary:
    """The result of a run."""

    counts: Counts
    slices: int
    computed: int
    """Slices that this run computed; the others were committed before."""
    seconds: float
    stage_counters: CountersByStage = field(default_factory=dict)
    """What each stage did in this run."""
    shards: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    example: str = ""
    """Key of one accepted sample."""
    failed: list[str] = field(default_factory=list)
    """Ids of some of the records that failed."""
    waits_for: str = ""
    """Why this run did not pack an OUT that it shares with other drivers; '' if it packed."""
