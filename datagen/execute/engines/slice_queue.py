"""The slices that a run still has to compute: those that the ledger does not have, or that are damaged.

A slice is cut from the source only when the engine asks for it, so that a source of any size fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from datagen.core.errors import StoreError
from datagen.execute.engines.progress_events import RunObserver
from datagen.execute.ledger.ledger import Entry, Ledger
from datagen.execute.ledger.partitions import Partition
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.workers.commit import parts_folder
from datagen.execute.workers.retry import retry_set
from datagen.execute.workers.slices import Job, Slice, cut
from datagen.shards.pack import set_aside


class SliceQueue:
    """Iterates over the jobs of a run, in the order of the source.

    A slice is skipped if it is committed and its entry and part are whole. `limit` is the number of source rows to
    take, `share` limits the run to the slices of one driver out of several. With `retry`, committed slices in which
    records failed are run again for these records. The iteration ends early if `watcher` stops the run.
    """

    def __init__(
        self,
        context: RunContext,
        *,
        ledger: Ledger,
        watcher: RunObserver,
        limit: int | None = None,
        share: Partition | None = None,
        retry: bool = False,
    ) -> None:
        graph, pipeline = context.graph, context.graph.loaded.pipeline
        self._watcher = watcher
        self._graph = graph
        self._retry = retry
        self._ledger = ledger
        self._pipeline = pipeline.pipeline
        self._share = share
        self.rows: dict[str, int] = {}
        """Number of source rows by slice name, in the order of the source, slices of other shares included."""
        self.taken = 0
        """Number of slices of this share so far."""
        self.before = 0
        """Number of these that were skipped because they are committed."""
        self.ended = False
        """Whether the source has no further slices."""
        self._entries: Mapping[str, Entry] = ledger.committed(_part_sizes(ledger), damaged=self._set_damaged_aside)
        self._slices = cut(graph.source, size=pipeline.slice_size, group_by=pipeline.source.group_by, limit=limit)

    def __iter__(self) -> Iterator[Job]:
        for part in self._slices:
            if self._watcher.stopping:
                return
            name = part.name
            self.rows[name] = len(part.rows)
            if self._share and not self._share.takes(part.number):
                continue
            self.taken += 1
            entry = self._entries.get(name)
            if entry is None:
                yield Job(part)
            elif self._is_damaged(name, entry):
                yield Job(part, entry.round + 1)  # nothing is deleted: readers take the highest round
            elif self._retry and (job := self._retry_job(part, entry.round + 1)):
                yield job
            else:
                self.before += 1
        self.ended = True

    def _retry_job(self, part: Slice, round: int) -> Job | None:
        """A job for the failed records of a committed slice; None if none failed."""
        rows = self._ledger.read(part.name, columns=["id", "parent", "status"])
        found = retry_set(rows, self._graph)
        return Job(part, round, found.sources, found.only) if found else None

    def unfinished(self) -> list[str]:
        """Names of the slices of all shares that are not committed, or are damaged. Call it after the iteration."""
        entries = self._ledger.committed(_part_sizes(self._ledger))
        return [
            name for name, rows in self.rows.items() if name not in entries or entries[name].fault_of(name, cut=rows)
        ]

    def _is_damaged(self, name: str, entry: Entry) -> bool:
        """Whether a committed slice is damaged. If so, the dataset that was packed from it is set aside."""
        fault = entry.fault_of(name, cut=self.rows[name])
        if fault:
            self._watcher.notify(f"slice {name} is computed again: {fault}")
            set_aside(self._ledger.store, self._pipeline)
        return bool(fault)

    def _set_damaged_aside(self, file: str, error: StoreError) -> None:
        self._watcher.notify(str(error))
        set_aside(self._ledger.store, self._pipeline)
        self._ledger.set_damaged_aside(file)


def _part_sizes(ledger: Ledger) -> dict[str, int]:
    folder = parts_folder(ledger.fingerprint)
    return {f"{folder}/{name}": size for name, size in ledger.store.sizes(folder).items()}
