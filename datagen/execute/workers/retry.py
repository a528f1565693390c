"""Selects the records of a committed slice that `retry` runs again."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datagen.core.stage import Combine
from datagen.pipeline.graph_model import Graph


class RetrySet(NamedTuple):
    """The part of a slice that runs again; the rows of all other records stay in the ledger."""

    sources: frozenset[str]
    """Ids of source rows."""
    only: frozenset[str] | None
    """Ids of the records made of them that run again; None for all."""


def retry_set(rows: pa.Table, graph: Graph) -> RetrySet | None:
    """The records of a slice that run again; None if none failed. `rows` has at least id, parent and status.

    They are the failed records and their ancestors. If the graph combines groups, a failed record is missing in its
    group, so the group runs again with all its members; their stored answers are used again.
    """
    failed = rows["id"].filter(pc.equal(rows["status"], "failed")).to_pylist()
    if not failed:
        return None
    parents = dict(zip(rows["id"].to_pylist(), rows["parent"].to_pylist(), strict=True))
    chains = [_ancestry(id, parents) for id in failed]
    joins = [node.stage for node in graph.nodes if issubclass(node.stage, Combine)]
    # A group by a field may join any records of the slice.
    if any(stage.by for stage in joins):
        return RetrySet(frozenset(id for id, parent in parents.items() if not parent), None)
    roots = frozenset(chain[-1] for chain in chains)
    return RetrySet(roots, None if joins else frozenset(id for chain in chains for id in chain[:-1]))


def _ancestry(id: str, parents: dict[str, str]) -> list[str]:
    """The id of a record, of its parent, and so on up to the source row."""
    chain = [id]
    while parent := parents.get(chain[-1]):
        chain.append(parent)
    return chain
