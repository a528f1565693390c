"""What runs inside Ray's actors."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from typing import Any, NamedTuple

import ray
from ray import cloudpickle

from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_all
from datagen.execute.workers.commit import Committer, Report
from datagen.execute.workers.crash_journal import Journal
from datagen.execute.workers.operators import WRITE, Operator
from datagen.execute.workers.stage_runner import Care
from datagen.execute.workers.state import Parcel, State
from datagen.execute.workers.timeouts import exiting
from datagen.execute.workers.worker import Place, Worker
from datagen.storage.store import Store

Killers = dict[tuple[str, str], str]
"""What happened, by the stage and id of each record that killed its worker."""

_SLICES_OF_A_SERVICE = 16
_SLICES_OF_A_WAITER = 2


class Left(NamedTuple):
    """What is left of a slice after an operator."""

    records: int
    bytes: int
    known: int = 0
    """How many of the groups of blobs that it came with are still needed, from the first."""
    adds: bool = False
    """Whether a further one came."""


class Done(NamedTuple):
    """What the driver is told of slices that an operator is done with."""

    slices: list[Left]
    """Of each slice what is left of it."""
    reports: list[Report]
    """Of each slice, if this was the last operator."""
    stage_counters: CountersByStage
    notes: list[str]


class Actor:
    """One worker of an operator, in a process of its own."""

    def __init__(self, operator: bytes, committer: bytes | None, place: Place, path: list[str]) -> None:
        sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
        self._operator: Operator = cloudpickle.loads(operator)
        self._committer: Committer | None = cloudpickle.loads(committer) if committer else None
        self._place = place
        self._worker: Worker | None = None
        self._starting = threading.Lock()
        self._one_at_a_time: AbstractContextManager[Any] = (
            nullcontext() if self._operator.cost > 1 else threading.Lock()
        )

    def __repr__(self) -> str:
        return " > ".join(node.id for node in self._operator.nodes) or self._operator.name

    def setup(self) -> None:
        """Load the stages' models; asked for at once, so that they load while the first slices are on their way."""
        with self._starting:
            if self._worker is None:
                worker = Worker(self._operator, self._place, limit=exiting)
                worker.setup()
                self._worker = worker

    def run(self, attempt: int, journal: str, killers: Killers, groups: Sequence[int], *works: Any) -> tuple[Any, ...]:
        """Run slices, or what the operator before made of them, through this operator.

        A work is a job, or a parcel without blobs, followed by its groups of blobs, as many as `groups` says.
        Comes back as the parcel of each slice, without blobs, then the blobs that it adds, then `Done`.
        With a `journal`, a file's name, record by record, each noted there before it is tried.
        Slices are unpacked and packed while others are worked on.
        """
        self.setup()
        assert self._worker is not None
        states = [self._unpacked(work, attempt) for work in _with_blobs(groups, works)]
        care = Care(Journal(Store(self._place.address), journal).note, killers) if journal else None
        with self._one_at_a_time:
            stage_counters = self._worker.run(states, care)
        sent: list[Any] = [None] * (2 * len(states))
        left = [Left(0, 0) for _ in states]
        reports: list[Report] = []
        if self._committer:
            start = time.perf_counter()
            reports = [self._committer.commit(state) for state in states]
            accepted = sum(report.counts.accepted for report in reports)
            took = time.perf_counter() - start
            add_all(stage_counters, [(WRITE, StageCounters(accepted, accepted, calls=len(states), seconds=took))])
        else:
            parcels = [state.parcel() for state in states]
            sent = [part for parcel in parcels for part in (parcel._replace(blobs=()), _added(parcel))]
            left = [
                Left(len(state.live), parcel.bytes, parcel.known, len(parcel.blobs) > parcel.known)
                for state, parcel in zip(states, parcels, strict=True)
            ]
        return *sent, Done(left, reports, stage_counters, self._worker.faults())

    def _unpacked(self, work: Any, attempt: int) -> State:
        catalogue = self._operator.catalogue
        state = (
            State.unpacked(work, catalogue=catalogue)
            if isinstance(work, Parcel)
            else State.start(work, catalogue=catalogue)
        )
        state.attempt = attempt
        return state


def _with_blobs(groups: Sequence[int], works: Sequence[Any]) -> Iterator[Any]:
    """Jobs as they are, and parcels with the groups of blobs that follow them."""
    rest = iter(works)
    for number in groups:
        work = next(rest)
        yield work._replace(blobs=tuple(islice(rest, number))) if isinstance(work, Parcel) else work


def _added(parcel: Parcel) -> Any:
    """The blobs that a parcel has beyond those that it came with."""
    return parcel.blobs[-1] if len(parcel.blobs) > parcel.known else None


def called(function: Callable[[Any], Any], job: Any, path: list[str]) -> Any:
    """What a function makes of a job, in a task that finds the modules that the driver finds."""
    sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
    return function(job)


def maker(operator: Operator, *, committer: Committer | None, place: Place, shrink: float) -> Callable[[bool], Any]:
    """Makes actors of a class that carries the operator's name, which is what Ray's dashboard shows.

    With fewer cores than operators, each reserves less than it says, and none waits for another for ever.
    Told False, it makes one that reserves no core at all.
    """
    named = type(operator.name, (Actor,), {"__module__": __name__})
    remote: Any = ray.remote(num_cpus=0)(named)
    cpus = max(operator.cpus * shrink, 0.001) if operator.cpus else 0
    arguments = [cloudpickle.dumps(part) if part else None for part in (operator, committer)]  # type: ignore[no-untyped-call]

    def make(reserving: bool) -> Any:
        made = remote.options(
            num_cpus=cpus if reserving else 0, num_gpus=operator.gpus, max_concurrency=calls_at_once(operator)
        )
        actor = made.remote(*arguments, place, sys.path)
        actor.setup.options(name=f"{operator.name}: set up").remote()
        return actor

    return make


def calls_at_once(operator: Operator) -> int:
    """Calls that one worker works on side by side."""
    if operator.cost > 1:
        return _SLICES_OF_A_SERVICE
    return _SLICES_OF_A_WAITER if operator.waits else 1
