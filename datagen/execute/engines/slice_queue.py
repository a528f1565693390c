"""Which slices are still to be run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from datagen.core.errors import StoreError
from datagen.execute.engines.progress_events import Watching
from datagen.execute.ledger.ledger import Entry, Ledger
from datagen.execute.ledger.partitions import Share
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.workers.commit import parts_folder
from datagen.execute.workers.retry import again
from datagen.execute.workers.slices import Job, Slice, cut
from datagen.shards.pack import set_aside


class Feed:
    """The slices that are not committed yet, or whose entry or part is damaged; of one share, if given."""

    def __init__(
        self,
        context: RunContext,
        *,
        ledger: Ledger,
        watcher: Watching,
        limit: int | None = None,
        share: Share | None = None,
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
        """How many rows of the source each slice was given, by its name; in their order. Of all shares."""
        self.taken = 0
        """How many of them are of this share."""
        self.before = 0
        """How many of those are left as they are."""
        self.ended = False
        """Whether there are no further ones."""
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
                yield Job(part, entry.round + 1)
            elif self._retry and (job := self._retried(part, entry.round + 1)):
                yield job
            else:
                self.before += 1
        self.ended = True

    def _retried(self, part: Slice, round: int) -> Job | None:
        """The records of a committed slice that failed, to be run again."""
        rows = self._ledger.read(part.name, columns=["id", "parent", "status"])
        found = again(rows, self._graph)
        return Job(part, round, found.sources, found.only) if found else None

    def unfinished(self) -> list[str]:
        """Slices of all shares that are not committed, or damaged, by now. Asked once all were taken."""
        entries = self._ledger.committed(_part_sizes(self._ledger))
        return [
            name for name, rows in self.rows.items() if name not in entries or entries[name].fault_of(name, cut=rows)
        ]

    def _is_damaged(self, name: str, entry: Entry) -> bool:
        """Whether a committed slice has to be computed again; the dataset is set aside then."""
        fault = entry.fault_of(name, cut=self.rows[name])
        if fault:
            self._watcher.say(f"slice {name} is computed again: {fault}")
            set_aside(self._ledger.store, self._pipeline)
        return bool(fault)

    def _set_damaged_aside(self, file: str, error: StoreError) -> None:
        self._watcher.say(str(error))
        set_aside(self._ledger.store, self._pipeline)
        self._ledger.set_damaged_aside(file)


def _part_sizes(ledger: Ledger) -> dict[str, int]:
    folder = parts_folder(ledger.fingerprint)
    return {f"{folder}/{name}": size for name, size in ledger.store.sizes(folder).items()}
