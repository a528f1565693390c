"""Runs slices on Ray: a pool of actors for each operator.

The driver moves references. Pixels go from actor to actor through the object
store, and the last operator's actors commit.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError

from datagen.errors import ConfigError, DatagenError
from datagen.execute.commit import Committer, Report
from datagen.execute.operators import Operator
from datagen.execute.slices import Job
from datagen.execute.state import Parcel, State
from datagen.execute.worker import Care, Worker

Killers = dict[tuple[str, str], str]
"""What happened, by the stage and id of each record that killed its worker."""

_QUEUED = 2
"""Slices given to an actor at once: one that it works on, one that is fetched meanwhile."""


def run_ray(
    operators: Sequence[Operator],
    committer: Committer,
    slices: Iterable[Job],
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Report]:
    """Run every slice through the pools; yields a report for each as it is committed."""
    slices = iter(slices)
    first = next(slices, None)
    if first is None:
        return  # all is committed: Ray need not start
    owned = not ray.is_initialized()
    if owned:
        say(f"Ray dashboard: {start_ray()}")
    try:
        yield from _Scheduler(operators, committer, chain([first], slices)).run()
    except RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, DatagenError) else DatagenError(str(error))) from None
    finally:
        if owned:
            ray.shutdown()


def start_ray() -> str:
    """Start Ray on this machine, or join the cluster that RAY_ADDRESS names; the dashboard's address."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    local: dict[str, Any] = (
        {} if "RAY_ADDRESS" in os.environ else {"include_dashboard": True, "dashboard_host": "127.0.0.1"}
    )
    context = ray.init(logging_level=logging.ERROR, log_to_driver=False, **local)
    return f"http://{context.dashboard_url}"


def replicas(operators: Sequence[Operator], *, cpus: float, gpus: float) -> list[int]:
    """Workers for each operator: at least its minimum, then cores and GPUs shared out evenly.

    Raises `ConfigError` if the machine can never hold one of them.
    """
    for operator in operators:
        _check_fits(operator, cpus=cpus, gpus=gpus)
    _check_gpus_fit_together(operators, gpus)
    counts = [operator.replicas.min for operator in operators]
    grown = True
    while grown:
        grown = False
        for index, operator in enumerate(operators):
            trial = [*counts]
            trial[index] += 1
            below = operator.replicas.max is None or trial[index] <= operator.replicas.max
            takes = operator.cpus > 0 or operator.gpus > 0
            if (
                below
                and takes
                and _taken(operators, trial, "cpus") <= cpus
                and _taken(operators, trial, "gpus") <= gpus
            ):
                counts, grown = trial, True
    return counts


def _taken(operators: Sequence[Operator], counts: Sequence[int], what: str) -> float:
    return sum(float(getattr(operator, what)) * number for operator, number in zip(operators, counts, strict=True))


def _check_fits(operator: Operator, *, cpus: float, gpus: float) -> None:
    node = operator.nodes[0]
    for has, needs, unit in ((cpus, operator.cpus, "cores"), (gpus, operator.gpus, "GPUs")):
        if needs > has:
            raise ConfigError(
                f"{node.origin}: '{node.id}' needs {needs:g} {unit}, and there are {has:g}; "
                f"lower its `resources`, choose another profile, or run where there are more"
            )


def _check_gpus_fit_together(operators: Sequence[Operator], gpus: float) -> None:
    """Cores can be shared by more workers than there are, GPUs cannot: a worker would wait for one for ever."""
    holders = [operator for operator in operators if operator.gpus]
    needs = _taken(holders, [operator.replicas.min for operator in holders], "gpus")
    if needs > gpus:
        names = ", ".join(f"'{operator.name}' {operator.replicas.min} x {operator.gpus:g}" for operator in holders)
        raise ConfigError(
            f"{holders[0].nodes[0].origin}: the stages need {needs:g} GPUs together, and there are {gpus:g} ({names}); "
            "give them fractions of a GPU in `resources`, or run where there are more"
        )


class _Actor:
    """One worker of an operator, in a process of its own."""

    def __init__(self, operator: bytes, committer: bytes | None, path: list[str]) -> None:
        sys.path[:] = [*path, *(entry for entry in sys.path if entry not in path)]
        self._operator: Operator = cloudpickle.loads(operator)
        self._committer: Committer | None = cloudpickle.loads(committer) if committer else None
        self._worker: Worker | None = None

    def setup(self) -> None:
        """Load the stages' models; asked for at once, so that they load while the first slices are on their way."""
        if self._worker is None:
            self._worker = Worker(self._operator)

    @ray.method(num_returns=2)
    def run(
        self, work: Any, attempt: int, journal: Any, killers: dict[tuple[str, str], str]
    ) -> tuple[Any, Report | None]:
        """A slice, or the parcel that the operator before made of it, run through this operator.

        With a `journal`, record by record, each noted there before it is tried.
        """
        self.setup()
        assert self._worker is not None
        catalogue = self._operator.catalogue
        if isinstance(work, Parcel):
            state = State.unpacked(work, catalogue=catalogue)
        else:
            state = State.start(work, catalogue=catalogue)
        state.attempt = attempt
        care = Care(lambda stage, id: ray.get(journal.note.remote(stage, id)), killers) if journal else None
        state = self._worker.run(state, care)
        if self._committer:
            return None, self._committer.commit(state)
        return state.parcel(), None


class _Journal:
    """Outlives a worker, and knows what it tried last."""

    def __init__(self) -> None:
        self._last: tuple[str, str] | None = None

    def note(self, stage: str, id: str) -> None:
        """The record that is tried now."""
        self._last = (stage, id)

    def last(self) -> tuple[str, str] | None:
        """The record that was tried last."""
        return self._last


@dataclass
class _Seat:
    """A place in a pool; a worker that dies is replaced in it."""

    actor: Any
    load: int = 0


@dataclass
class _Task:
    """A slice at one operator."""

    step: int
    work: Any
    """The slice as it was cut, or a reference to the parcel that the operator before made."""
    attempt: int = 1
    journal: Any = None
    killers: Killers = field(default_factory=dict)
    seat: _Seat = field(default_factory=lambda: _Seat(None))
    actor: Any = None
    """The worker that has it."""
    parcel: Any = None
    """A reference to what will come out."""

    @property
    def load(self) -> int:
        """What it takes of a worker's queue: all of it once it failed, so that a death is surely its own."""
        return _QUEUED if self.attempt > 1 else 1


class _Scheduler:
    def __init__(self, operators: Sequence[Operator], committer: Committer, slices: Iterable[Job]) -> None:
        self._slices = iter(slices)
        has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus, gpus = has.get("CPU", 0.0), has.get("GPU", 0.0)
        counts = replicas(operators, cpus=cpus, gpus=gpus)
        shrink = min(1.0, cpus / max(_taken(operators, counts, "cpus"), 1e-9))
        last = operators[-1]
        self._makers = [
            _maker(operator, committer=committer if operator is last else None, shrink=shrink) for operator in operators
        ]
        self._pools = [
            [_Seat(make()) for _ in range(number)] for make, number in zip(self._makers, counts, strict=True)
        ]
        self._waiting: list[deque[_Task]] = [deque() for _ in operators]
        self._tasks: dict[Any, _Task] = {}
        self._most = _QUEUED * sum(counts)

    def run(self) -> Iterator[Report]:
        """Reports in the order in which slices are committed."""
        self._feed()
        while self._tasks:
            done, _ = ray.wait(list(self._tasks), num_returns=1)
            task = self._tasks.pop(done[0])
            task.seat.load -= task.load
            try:
                report = ray.get(done[0])
            except RayActorError as error:
                self._bury(task, error)
            else:
                if report is None:
                    self._waiting[task.step + 1].append(_Task(task.step + 1, task.parcel))
                else:
                    yield report
            self._feed()

    def _bury(self, task: _Task, error: RayActorError) -> None:
        """Replace a worker that died, and try its slice again; the third time with care.

        With care the worker tells each record before it tries it, so that the one it told last is
        what killed it. That one is failed untried from then on, and the slice goes on without it.
        """
        if task.seat.actor is task.actor:
            task.seat.actor = self._makers[task.step]()
        if task.journal is not None:
            self._accuse(task, error)
        elif task.attempt > 1:
            journal: Any = ray.remote(num_cpus=0)(_Journal)
            task.journal = journal.remote()
        task.attempt += 1
        self._waiting[task.step].appendleft(task)

    def _accuse(self, task: _Task, error: RayActorError) -> None:
        tried = ray.get(task.journal.last.remote())
        if tried is None or tried in task.killers:
            what = str(error).splitlines()[0]
            raise DatagenError(f"workers die before they reach a record, or while they store samples: {what}")
        task.killers[tried] = f"killed its worker, {task.attempt} times in all: {str(error).splitlines()[0]}"

    def _feed(self) -> None:
        """Give waiting slices to free workers, those nearest their end first."""
        for step in reversed(range(len(self._pools))):
            while (task := self._next(step)) is not None:
                seat = min(self._pools[step], key=lambda seat: seat.load)
                if seat.load + task.load > _QUEUED:
                    self._waiting[step].appendleft(task)
                    break
                self._submit(task, seat)

    def _next(self, step: int) -> _Task | None:
        if self._waiting[step]:
            return self._waiting[step].popleft()
        on_the_way = len(self._tasks) + sum(map(len, self._waiting))
        if step > 0 or on_the_way >= self._most:
            return None
        part = next(self._slices, None)
        return _Task(0, part) if part else None

    def _submit(self, task: _Task, seat: _Seat) -> None:
        task.seat, task.actor = seat, seat.actor
        seat.load += task.load
        task.parcel, report = seat.actor.run.remote(task.work, task.attempt, task.journal, task.killers)
        self._tasks[report] = task


def _maker(operator: Operator, *, committer: Committer | None, shrink: float) -> Callable[[], Any]:
    """Makes actors of a class that carries the operator's name, which is what Ray's dashboard shows.

    With fewer cores than operators, each reserves less than it says, and none waits for another for ever.
    """
    named = type(operator.name, (_Actor,), {"__module__": __name__})
    remote: Any = ray.remote(num_cpus=0)(named).options(
        num_cpus=max(operator.cpus * shrink, 0.001) if operator.cpus else 0,
        num_gpus=operator.gpus,
    )
    arguments = [cloudpickle.dumps(part) if part else None for part in (operator, committer)]  # type: ignore[no-untyped-call]

    def make() -> Any:
        actor = remote.remote(*arguments, sys.path)
        actor.setup.remote()
        return actor

    return make
