"""What all parts of one run go by, made once when it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datagen.execute.reuse import fingerprints
from datagen.pipeline.graph_model import Graph
from datagen.storage.store import Store


@dataclass(frozen=True)
class RunContext:
    """A graph and the OUT that it runs into, with the fingerprints of the stages and of the run.

    It can be pickled, but stays in the driver: workers get a `Committer` and a `WorkerContext`, which are made from it.
    """

    graph: Graph
    store: Store
    """OUT."""
    salts: Mapping[str, str]
    """By node: what sets its answers apart from those of its older code. Most nodes have none."""
    stage_fingerprints: Mapping[str, str]
    """By node, in the order in which they run."""
    fingerprint: str
    """Of the run."""

    @classmethod
    def of(
        cls,
        graph: Graph,
        *,
        store: Store,
        salts: Mapping[str, str] | None = None,
        stage_fingerprints: Mapping[str, str] | None = None,
    ) -> RunContext:
        """The context of a run of `graph` into `store`.

        `stage_fingerprints` are those under these salts, from a caller that has computed them; without them,
        each node is hashed once.
        """
        salts = {} if salts is None else salts
        if stage_fingerprints is None:
            stage_fingerprints = fingerprints.stage_fingerprints(graph, salts=salts)
        fingerprint = fingerprints.run_fingerprint(graph, stage_fingerprints=stage_fingerprints)
        return cls(graph, store, salts, stage_fingerprints, fingerprint)
