"""Runs slices one after another in this process: for debugging and for most tests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack

from datagen.execute.engines.progress_events import Heard
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_all
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.operators import WRITE, Operator
from datagen.execute.workers.slices import Job
from datagen.execute.workers.state import State
from datagen.execute.workers.worker import Place, Worker
from datagen.models.language.sharing import shared_here
from datagen.shards.shard import ShardDone, ShardJob


class Local(AbstractContextManager["Local"]):
    """This process as the engine."""

    def __exit__(self, *_: object) -> None:
        """There is nothing to end."""

    def run(
        self, operators: Sequence[Operator], committer: Committer, place: Place, jobs: Iterable[Job]
    ) -> Iterator[Heard]:
        """Run every slice through all operators; tells of each as it is committed."""
        with ExitStack() as stack:
            stack.enter_context(shared_here(run=place.token))
            workers: list[Worker] = []
            for operator in operators:
                workers.append(Worker(operator, place))
                stack.callback(workers[-1].close)
                workers[-1].setup()
            for job in jobs:
                state = State.start(job, catalogue=committer.catalogue)
                stage_counters: CountersByStage = {}
                for worker in workers:
                    stage_counters.update(worker.run([state]))
                faults = [fault for worker in workers for fault in worker.faults()]
                start = time.perf_counter()
                report = committer.commit(state)
                accepted = report.counts.accepted
                wrote = StageCounters(accepted, accepted, calls=1, seconds=time.perf_counter() - start)
                add_all(stage_counters, [(WRITE, wrote)])
                yield Heard(stage_counters, report, faults)

    def map_jobs(self, function: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob], /) -> Iterable[ShardDone]:
        """Write shards one after another."""
        return map(function, jobs)
