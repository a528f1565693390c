"""Ray as an engine: slices through pools of actors, shards in tasks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import ray
from ray.exceptions import (
    RayTaskError,
)

from datagen.core.errors import DatagenError
from datagen.execute.engines.actors import called
from datagen.execute.engines.cluster import machines, start_ray
from datagen.execute.engines.progress_events import Heard
from datagen.execute.engines.scheduler import Scheduler
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.operators import Operator
from datagen.execute.workers.slices import Job
from datagen.execute.workers.worker import Place
from datagen.models.base import models_in
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.rate_limit import Terms
from datagen.models.language.sharing import shared
from datagen.shards.shard import ShardDone, ShardJob

_FEWEST_TASKS = 4
"""Shards for which it is worth while to start tasks."""
_MOST_LOST = 5
"""Times that a task may be lost."""


class OnRay(AbstractContextManager["OnRay"]):
    """Ray as the engine: started or joined when it is first needed, and left at the end."""

    def __init__(
        self, *, address: str = "", in_flight_mb: float | None = None, say: Callable[[str], None] = lambda _: None
    ) -> None:
        self._address = address
        self._in_flight_mb = in_flight_mb
        self._say = say
        self._owned = False

    def __exit__(self, *_: object) -> None:
        """Leave Ray, if it was started or joined here."""
        if self._owned:
            ray.shutdown()

    def _start(self) -> None:
        if not ray.is_initialized():
            self._owned = True
            where = start_ray(self._address)
            self._say(f"Ray dashboard: {where}  (a token, if it asks for one: ray get-auth-token)")

    def run(
        self, operators: Sequence[Operator], committer: Committer, place: Place, jobs: Iterable[Job]
    ) -> Iterator[Heard]:
        """Run every slice through the pools; tells of what happens as it happens."""
        jobs = iter(jobs)
        first = next(jobs, None)
        if first is None:
            return  # all is committed: Ray need not start
        self._start()
        place = replace(place, cluster=True)
        with _explained(), shared(_terms(operators), run=place.token):
            yield from Scheduler(operators, committer, place, chain([first], jobs), self._in_flight_mb).run()

    def map_jobs(self, function: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob], /) -> Iterable[ShardDone]:
        """Write shards as Ray tasks, two for each core on their way; a few are written here, which is quicker."""
        todo = list(jobs)
        if len(todo) < _FEWEST_TASKS:
            yield from map(function, todo)
            return
        self._start()
        task: Any = ray.remote(num_cpus=1, max_retries=_MOST_LOST)(called).options(name="pack: write shard")
        most = max(2, int(2 * machines().cpus))
        flying: list[Any] = []
        with _explained():
            for job in todo:
                flying.append(task.remote(function, job, sys.path))
                if len(flying) >= most:
                    ready, flying = ray.wait(flying)
                    yield from ray.get(ready)
            yield from ray.get(flying)


def _terms(operators: Sequence[Operator]) -> list[Terms]:
    """The limits of the services that stages call."""
    models = [model for operator in operators for node in operator.nodes for model in models_in(node.config)]
    return [model.terms for model in models if isinstance(model, OpenAIConfig)]


@contextmanager
def _explained() -> Iterator[None]:
    """An error that datagen explains is raised here as it was raised there."""
    try:
        yield
    except RayTaskError as error:
        cause = error.cause
        raise (cause if isinstance(cause, DatagenError) else DatagenError(str(error))) from None
