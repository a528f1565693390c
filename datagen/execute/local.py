"""Runs slices one after another in this process: for debugging and for most tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from datagen.execute.commit import Committer, Report
from datagen.execute.operators import Operator
from datagen.execute.slices import Job
from datagen.execute.state import State
from datagen.execute.worker import Worker


def run_local(operators: Sequence[Operator], committer: Committer, slices: Iterable[Job]) -> Iterator[Report]:
    """Run every slice through all operators; yields a report for each as it is committed."""
    workers = [Worker(operator) for operator in operators]
    for part in slices:
        state = State.start(part, catalogue=committer.catalogue)
        for worker in workers:
            state = worker.run(state)
        yield committer.commit(state)
