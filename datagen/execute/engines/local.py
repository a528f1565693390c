"""The local engine: runs slices one after another in this process.

It serves debugging and most tests. On deterministic stages it gives the same bytes as the Ray engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack

from datagen.execute.engines.progress_events import EngineEvent
from datagen.execute.ledger.stage_counters import CountersByStage, StageCounters, add_all
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.operators import WRITE, Operator, plan_pools
from datagen.execute.workers.slices import Job
from datagen.execute.workers.state import SliceState
from datagen.execute.workers.worker import Worker, WorkerContext
from datagen.models.language.sharing import shared_here
from datagen.shards.shard import ShardDone, ShardJob


class LocalEngine(AbstractContextManager["LocalEngine"]):
    """This process as the engine."""

    def __exit__(self, *_: object) -> None:
        """Nothing to release: `run` closes its workers itself."""

    def run(
        self, operators: Sequence[Operator], committer: Committer, worker_context: WorkerContext, jobs: Iterable[Job]
    ) -> Iterator[EngineEvent]:
        """Run each slice through all operators and commit it; yields one event for each slice."""
        with ExitStack() as stack:
            stack.enter_context(shared_here(run=worker_context.token))
            workers: list[Worker] = []
            worker_of: dict[int, Worker] = {}
            for pool in plan_pools(operators):
                workers.append(Worker(pool.operator, worker_context))
                worker_of |= dict.fromkeys(pool.steps, workers[-1])
                stack.callback(workers[-1].close)  # registered before `setup`, which may raise
                workers[-1].setup()
            for job in jobs:
                state = SliceState.start(job, catalogue=committer.catalogue)
                stage_counters: CountersByStage = {}
                for step, operator in enumerate(operators):
                    stage_counters.update(worker_of[step].run([state], stages=operator.stages))
                faults = [fault for worker in workers for fault in worker.faults()]
                start = time.perf_counter()
                report = committer.commit(state)
                accepted = report.counts.accepted
                wrote = StageCounters(accepted, accepted, calls=1, seconds=time.perf_counter() - start)
                add_all(stage_counters, [(WRITE, wrote)])
                yield EngineEvent(stage_counters, report, faults)

    def map_jobs(self, function: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob], /) -> Iterable[ShardDone]:
        """Write shards one after another."""
        return map(function, jobs)
