"""Ray actors: one worker of a pool, in a process of its own, and the factory that makes them.

The arguments and results of an actor's call are laid out so that pixels move without a copy: blobs are separate
objects of Ray's object store, and a parcel names them. An operator returns only the blobs that it added; the driver
hands references to the earlier ones on to the next operator. A worker that runs several rounds of a repeat block is
given with each call which operator it is for.
"""

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
from datagen.execute.workers.commit import CommitReport, Committer
from datagen.execute.workers.crash_journal import CrashJournal
from datagen.execute.workers.operators import WRITE, Operator, Passage
from datagen.execute.workers.stage_runner import CrashIsolation
from datagen.execute.workers.state import Parcel, SliceState
from datagen.execute.workers.timeouts import exit_on_timeout
from datagen.execute.workers.worker import Worker, WorkerContext
from datagen.storage.store import Store

Killers = dict[tuple[str, str], str]
"""Records that killed their worker: by stage and record id, what happened."""

_SLICES_OF_A_SERVICE = 16
"""Slices at once in a worker whose stage calls a service; the calls themselves are limited by `concurrency`."""
_SLICES_OF_A_WAITER = 2
"""Slices at once in a worker that needs no whole core: one is unpacked or packed while the other is computed."""


class SliceOutput(NamedTuple):
    """Size of a slice after an operator, and where it goes. All zero if the operator was the last one."""

    records: int
    """Records for which the next operator has work."""
    bytes: int
    known: int = 0
    """How many of the blob groups that it came with go on, counted from the first: all of them, or 0."""
    adds: bool = False
    """Whether the operator added a blob group."""
    step: int = 0
    """The next operator: the first behind this one that has work for a record, or the last one, which commits."""


class CallResult(NamedTuple):
    """What one call of an actor reports to the driver, beside the parcels."""

    slices: list[SliceOutput]
    """One for each slice, in the order of the call."""
    reports: list[CommitReport]
    """One for each slice if this was the last operator, else none."""
    stage_counters: CountersByStage
    notes: list[str]
    """Messages for the user."""


class Actor:
    """One worker of a pool, in a process of its own.

    `operator` has all stages of the pool. `passages` are the operators that a slice goes through, in order; the last
    one commits.
    """

    def __init__(
        self,
        operator: bytes,
        passages: Sequence[Passage],
        committer: bytes | None,
        worker_context: WorkerContext,
        path: list[str],
    ) -> None:
        # Before unpickling, which imports stages: the driver may find plugins where a worker does not look.
        sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
        self._operator: Operator = cloudpickle.loads(operator)
        self._passages = passages
        self._committer: Committer | None = cloudpickle.loads(committer) if committer else None
        self._worker_context = worker_context
        self._worker: Worker | None = None
        self._starting = threading.Lock()
        # Ray runs several calls in threads. Stages compute one call at a time; only calls to services overlap.
        self._one_at_a_time: AbstractContextManager[Any] = (
            nullcontext() if self._operator.cost > 1 else threading.Lock()
        )

    def __repr__(self) -> str:
        return " > ".join(node.id for node in self._operator.nodes) or self._operator.name

    def setup(self) -> None:
        """Load the stages' models. Raises `SetupError`.

        The driver calls this when it makes the actor, so that models load while the first slices are on their way.
        It is not in the constructor, because an error there reaches the driver only as text.
        """
        with self._starting:
            if self._worker is None:
                worker = Worker(self._operator, self._worker_context, limit=exit_on_timeout)
                worker.setup()
                self._worker = worker

    def run(
        self, step: int, attempt: int, journal: str, killers: Killers, groups: Sequence[int], *works: Any
    ) -> tuple[Any, ...]:
        """Run slices through the operator `step` of those that they go through.

        `works` has for each slice a `Job`, or the `Parcel` of the operator before without its blobs, followed by its
        blob groups; `groups` says how many these are for each slice. The result is flat, so that Ray stores each item
        as an object of its own: for each slice its parcel without blobs and the blobs that were added (None if none
        were, or if this was the last operator), then one `CallResult`.

        `attempt` counts from 1. If `journal`, the name of a file, is not empty, the stages run record by record, and
        each record is written to the journal before it is tried; those in `killers` fail untried.
        """
        self.setup()
        assert self._worker is not None
        states = [self._unpack(work, attempt) for work in _with_blobs(groups, works)]
        isolation = (
            CrashIsolation(CrashJournal(Store(self._worker_context.address), journal).note, killers)
            if journal
            else None
        )
        # Unpacking and packing lie outside the lock: they overlap with the computation of another call.
        with self._one_at_a_time:
            stage_counters = self._worker.run(states, isolation, stages=self._passages[step].stages)
        sent: list[Any] = [None] * (2 * len(states))
        outputs = [SliceOutput(0, 0) for _ in states]
        reports: list[CommitReport] = []
        if step == len(self._passages) - 1:
            assert self._committer is not None
            start = time.perf_counter()
            reports = [self._committer.commit(state) for state in states]
            accepted = sum(report.counts.accepted for report in reports)
            took = time.perf_counter() - start
            add_all(stage_counters, [(WRITE, StageCounters(accepted, accepted, calls=len(states), seconds=took))])
        else:
            parcels = [state.parcel() for state in states]
            sent = [part for parcel in parcels for part in (parcel._replace(blobs=()), _added_blobs(parcel))]
            outputs = [self._output(state, parcel, step) for state, parcel in zip(states, parcels, strict=True)]
        return *sent, CallResult(outputs, reports, stage_counters, self._worker.faults())

    def _output(self, state: SliceState, parcel: Parcel, step: int) -> SliceOutput:
        """What the driver hears of a slice that operator `step` has run. Operators without work for it are skipped."""
        records = [live.record for live in state.live]
        last = len(self._passages) - 1
        counts = ((number, self._passages[number].count(records)) for number in range(step + 1, last))
        after, count = next((pair for pair in counts if pair[1]), (last, len(records)))
        return SliceOutput(count, parcel.bytes, parcel.known, len(parcel.blobs) > parcel.known, after)

    def _unpack(self, work: Any, attempt: int) -> SliceState:
        catalogue = self._operator.catalogue
        state = (
            SliceState.from_parcel(work, catalogue=catalogue)
            if isinstance(work, Parcel)
            else SliceState.start(work, catalogue=catalogue)
        )
        state.attempt = attempt
        return state


def _with_blobs(groups: Sequence[int], works: Sequence[Any]) -> Iterator[Any]:
    """Yield jobs as they are, and parcels with the blob groups that follow them in `works`."""
    rest = iter(works)
    for number in groups:
        work = next(rest)
        yield work._replace(blobs=tuple(islice(rest, number))) if isinstance(work, Parcel) else work


def _added_blobs(parcel: Parcel) -> Any:
    """The blob group that the operator added to a parcel; None if it added none."""
    return parcel.blobs[-1] if len(parcel.blobs) > parcel.known else None


def run_in_task(function: Callable[[Any], Any], job: Any, path: list[str]) -> Any:
    """Return `function(job)`, in a Ray task that finds the same modules as the driver, whose `sys.path` is `path`."""
    sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
    return function(job)


def actor_factory(
    operator: Operator,
    *,
    passages: Sequence[Passage],
    committer: Committer | None,
    worker_context: WorkerContext,
    cpu_scale: float,
) -> Callable[[bool], Any]:
    """A function that makes actors of a pool with the stages of `operator`; see `Actor` for `passages`.

    Called with False, it makes one that reserves no core. `committer` is given for the pool of the last operator only.
    `cpu_scale`, 0 to 1, scales the cores that an actor reserves: if
    there are fewer cores than workers need together, Ray would otherwise let some workers wait for ever.
    """
    # Ray's dashboard shows the name of the class.
    named = type(operator.name, (Actor,), {"__module__": __name__})
    remote: Any = ray.remote(num_cpus=0)(named)
    cpus = max(operator.cpus * cpu_scale, 0.001) if operator.cpus else 0
    pickled, commits = (cloudpickle.dumps(part) if part else None for part in (operator, committer))  # type: ignore[no-untyped-call]

    def make(reserving: bool) -> Any:
        made = remote.options(
            num_cpus=cpus if reserving else 0, num_gpus=operator.gpus, max_concurrency=max_concurrent_calls(operator)
        )
        actor = made.remote(pickled, passages, commits, worker_context, sys.path)
        actor.setup.options(name=f"{operator.name}: set up").remote()
        return actor

    return make


def max_concurrent_calls(operator: Operator) -> int:
    """Calls that one worker of an operator runs at the same time."""
    if operator.cost > 1:
        return _SLICES_OF_A_SERVICE
    return _SLICES_OF_A_WAITER if operator.waits else 1
