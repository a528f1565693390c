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
from typing import Any, NamedTuple

import ray
from ray import cloudpickle
from ray.exceptions import RayActorError, RayTaskError

from datagen.errors import ConfigError, DatagenError
from datagen.execute.commit import Committer, Report
from datagen.execute.operators import Operator
from datagen.execute.slices import Slice
from datagen.execute.state import Parcel, State
from datagen.execute.worker import Worker

_QUEUED = 2
"""Slices given to an actor at once: one that it works on, one that is fetched meanwhile."""


def run_ray(
    operators: Sequence[Operator],
    committer: Committer,
    slices: Iterable[Slice],
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Report]:
    """Run every slice through the pools; yields a report for each as it is committed."""
    owned = not ray.is_initialized()
    if owned:
        say(f"Ray dashboard: {start_ray()}")
    try:
        yield from _Scheduler(operators, committer, slices).run()
    except RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, DatagenError) else DatagenError(str(error))) from None
    except RayActorError as error:
        raise DatagenError(f"a worker died: {error}") from error
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
    def run(self, work: Any) -> tuple[Any, Report | None]:
        """A slice, or the parcel that the operator before made of it, run through this operator."""
        self.setup()
        assert self._worker is not None
        catalogue = self._operator.catalogue
        if isinstance(work, Parcel):
            state = State.unpacked(work, catalogue=catalogue)
        else:
            state = State.start(work, catalogue=catalogue)
        state = self._worker.run(state)
        if self._committer:
            return None, self._committer.commit(state)
        return state.parcel(), None


class _Task(NamedTuple):
    step: int
    actor: int
    parcel: Any


class _Scheduler:
    def __init__(self, operators: Sequence[Operator], committer: Committer, slices: Iterable[Slice]) -> None:
        self._slices = iter(slices)
        has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        cpus, gpus = has.get("CPU", 0.0), has.get("GPU", 0.0)
        counts = replicas(operators, cpus=cpus, gpus=gpus)
        shrink = min(1.0, cpus / max(_taken(operators, counts, "cpus"), 1e-9))
        self._pools = [
            _pool(operator, number, committer=committer if operator is operators[-1] else None, shrink=shrink)
            for operator, number in zip(operators, counts, strict=True)
        ]
        self._waiting: list[deque[Any]] = [deque() for _ in operators]
        self._load = [[0] * len(pool) for pool in self._pools]
        self._tasks: dict[Any, _Task] = {}
        self._most = _QUEUED * sum(counts)

    def run(self) -> Iterator[Report]:
        """Reports in the order in which slices are committed."""
        self._feed()
        while self._tasks:
            done, _ = ray.wait(list(self._tasks), num_returns=1)
            task = self._tasks.pop(done[0])
            self._load[task.step][task.actor] -= 1
            report = ray.get(done[0])
            if report is None:
                self._waiting[task.step + 1].append(task.parcel)
            else:
                yield report
            self._feed()

    def _feed(self) -> None:
        """Give waiting slices to free actors, those nearest their end first."""
        for step in reversed(range(len(self._pools))):
            while (actor := self._free(step)) is not None:
                work = self._next(step)
                if work is None:
                    break
                self._submit(step, actor, work)

    def _free(self, step: int) -> int | None:
        load = self._load[step]
        actor = min(range(len(load)), key=load.__getitem__)
        return actor if load[actor] < _QUEUED else None

    def _next(self, step: int) -> Any:
        if step > 0:
            return self._waiting[step].popleft() if self._waiting[step] else None
        on_the_way = len(self._tasks) + sum(map(len, self._waiting))
        return next(self._slices, None) if on_the_way < self._most else None

    def _submit(self, step: int, actor: int, work: Any) -> None:
        worker: Any = self._pools[step][actor]
        parcel, report = worker.run.remote(work)
        self._load[step][actor] += 1
        self._tasks[report] = _Task(step, actor, parcel)


def _pool(operator: Operator, number: int, *, committer: Committer | None, shrink: float) -> list[Any]:
    """Actors of a class that carries the operator's name, which is what Ray's dashboard shows.

    With fewer cores than operators, each reserves less than it says, and none waits for another for ever.
    """
    named = type(operator.name, (_Actor,), {"__module__": __name__})
    remote: Any = ray.remote(num_cpus=0)(named).options(
        num_cpus=max(operator.cpus * shrink, 0.001) if operator.cpus else 0,
        num_gpus=operator.gpus,
    )
    sent = cloudpickle.dumps(committer) if committer else None  # type: ignore[no-untyped-call]
    pool = [remote.remote(cloudpickle.dumps(operator), sent, sys.path) for _ in range(number)]  # type: ignore[no-untyped-call]
    for actor in pool:
        actor.setup.remote()
    return pool
