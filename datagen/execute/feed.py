"""Which slices are still to be run."""

from __future__ import annotations

from collections.abc import Iterator

from datagen.execute.commit import parts_folder
from datagen.execute.ledger import Ledger
from datagen.execute.retry import again
from datagen.execute.slices import Job, Slice, cut
from datagen.execute.watching import Watching
from datagen.nodes import Graph
from datagen.shards.pack import set_aside


class Feed:
    """The slices that are not committed yet, or whose entry or part is damaged."""

    def __init__(
        self, graph: Graph, ledger: Ledger, limit: int | None, watcher: Watching, *, retry: bool = False
    ) -> None:
        pipeline = graph.loaded.pipeline
        self._watcher = watcher
        self._graph = graph
        self._retry = retry
        self._ledger = ledger
        self._pipeline = pipeline.pipeline
        self.rows: dict[str, int] = {}
        """How many rows of the source each slice was given, by its name; in their order."""
        self._done = ledger.committed()
        folder = parts_folder(ledger.fingerprint)
        self._parts = {f"{folder}/{name}": size for name, size in ledger.store.sizes(folder).items()}
        self._slices = cut(graph.source, size=pipeline.slice_size, group_by=pipeline.source.group_by, limit=limit)

    def __iter__(self) -> Iterator[Job]:
        for part in self._slices:
            if self._watcher.stopping:
                return
            name = part.name
            self.rows[name] = len(part.rows)
            if name not in self._done or self._is_damaged(name):
                yield Job(part)
            elif self._retry and (job := self._retried(part)):
                yield job

    def _retried(self, part: Slice) -> Job | None:
        """The records of a committed slice that failed, to be run again."""
        rows = self._ledger.read(part.name, columns=["id", "parent", "status"])
        found = again(rows, self._graph)
        return Job(part, 1, found.sources, found.only) if found else None

    def _is_damaged(self, name: str) -> bool:
        """Whether a committed slice has to be computed again; it is forgotten then, and the dataset set aside."""
        fault = self._ledger.fault(name, cut=self.rows[name], parts=self._parts)
        if fault:
            self._watcher.say(f"slice {name} is computed again: {fault}")
            set_aside(self._ledger.store, self._pipeline)
            self._ledger.drop(name)
        return bool(fault)
