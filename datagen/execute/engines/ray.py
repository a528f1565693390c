"""The Ray engine: runs slices in pools of actors, and writes shards in tasks.

Ray is started, or a cluster joined, only when there is work. So a run whose slices are all committed starts no Ray.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import ray
from ray.exceptions import RayTaskError

from datagen.core.errors import DatagenError
from datagen.execute.engines.actors import run_in_task
from datagen.execute.engines.cluster import machines, start_ray
from datagen.execute.engines.progress_events import EngineEvent
from datagen.execute.engines.scheduler import Scheduler
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.slices import Job
from datagen.execute.workers.worker import WorkerContext
from datagen.models.base import models_in
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.rate_limit import Terms
from datagen.models.language.sharing import shared
from datagen.shards.shard import ShardDone, ShardJob

_FEWEST_TASKS = 4
"""With fewer shards, starting Ray and its tasks takes longer than writing them here."""
_MAX_LOSSES = 5
"""How often Ray may retry a task whose worker or machine is lost."""


class RayEngine(AbstractContextManager["RayEngine"]):
    """Ray as the engine: started or joined when it is first needed, and left at the end.

    `address` is the cluster to join; by default RAY_ADDRESS, else Ray is started on this machine. `in_flight_mb` limits
    the size in MB of slices between workers. `notify` receives messages for the user.
    """

    def __init__(
        self, *, address: str = "", in_flight_mb: float | None = None, notify: Callable[[str], None] = lambda _: None
    ) -> None:
        self._address = address
        self._in_flight_mb = in_flight_mb
        self._notify = notify
        self._owned = False  # a Ray that was running before, as in tests, is not shut down here

    def __exit__(self, *_: object) -> None:
        """Shut down or leave Ray, if this engine started or joined it."""
        if self._owned:
            ray.shutdown()

    def _start(self) -> None:
        if not ray.is_initialized():
            self._owned = True
            where = start_ray(self._address)
            self._notify(f"Ray dashboard: {where}  (a token, if it asks for one: ray get-auth-token)")

    def run(
        self, operators: Sequence[Operator], committer: Committer, worker_context: WorkerContext, jobs: Iterable[Job]
    ) -> Iterator[EngineEvent]:
        """Run each slice through the pools and commit it; yields events as they happen.

        Raises `ConfigError` if no machine can hold the workers, `SetupError` if a stage cannot start, and
        `DatagenError` if Ray dies or slices are lost too often.
        """
        jobs = iter(jobs)
        first = next(jobs, None)
        if first is None:
            return  # all is committed: Ray need not start
        self._start()
        worker_context = replace(worker_context, cluster=True)
        with _unwrap_errors(), shared(_rate_limits(operators), run=worker_context.token):
            yield from Scheduler(operators, committer, worker_context, chain([first], jobs), self._in_flight_mb).run()

    def map_jobs(self, function: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob], /) -> Iterable[ShardDone]:
        """Write shards as Ray tasks, or in this process if they are few. Results come in any order.

        Two tasks for each core are submitted at a time, so that a core finds its next task ready.
        """
        todo = list(jobs)
        if len(todo) < _FEWEST_TASKS:
            yield from map(function, todo)
            return
        self._start()
        task: Any = ray.remote(num_cpus=1, max_retries=_MAX_LOSSES)(run_in_task).options(name="pack: write shard")
        most_in_flight = max(2, int(2 * machines().cpus))
        in_flight: list[Any] = []
        with _unwrap_errors():
            for job in todo:
                in_flight.append(task.remote(function, job, sys.path))
                if len(in_flight) >= most_in_flight:
                    ready, in_flight = ray.wait(in_flight)
                    yield from ray.get(ready)
            yield from ray.get(in_flight)


def _rate_limits(operators: Sequence[Operator]) -> list[Terms]:
    """The call limits of all services that stages call."""
    models = [model for operator in operators for node in operator.nodes for model in models_in(node.config)]
    return [model.terms for model in models if isinstance(model, OpenAIConfig)]


@contextmanager
def _unwrap_errors() -> Iterator[None]:
    """Raise the `DatagenError` of a worker itself, without Ray's wrapper and its remote traceback."""
    try:
        yield
    except RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, DatagenError) else DatagenError(str(error))) from None
