"""What is to be run again of a slice in which records failed."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datagen.core.stage import Combine
from datagen.pipeline.graph_model import Graph


class Again(NamedTuple):
    """The part of a slice that is run again; all else stays as it ended."""

    sources: frozenset[str]
    """Rows of the source."""
    only: frozenset[str] | None
    """Of what is made of them, only these; all, if not given."""


def again(rows: pa.Table, graph: Graph) -> Again | None:
    """What `retry` runs of a slice, whose ledger rows have at least id, parent and status; None if nothing failed.

    That is each failed record, and what it came from. Where groups are
    combined, a record that failed is missing in its group, which is therefore
    run again with all its members; what was kept of them is not asked again.
    """
    failed = rows["id"].filter(pc.equal(rows["status"], "failed")).to_pylist()
    if not failed:
        return None
    parents = dict(zip(rows["id"].to_pylist(), rows["parent"].to_pylist(), strict=True))
    chains = [_chain(id, parents) for id in failed]
    joins = [node.stage for node in graph.nodes if issubclass(node.stage, Combine)]
    if any(stage.by for stage in joins):
        return Again(frozenset(id for id, parent in parents.items() if not parent), None)
    roots = frozenset(chain[-1] for chain in chains)
    return Again(roots, None if joins else frozenset(id for chain in chains for id in chain[:-1]))


def _chain(id: str, parents: dict[str, str]) -> list[str]:
    """A record's id, its parent's, and so on to the source row's."""
    chain = [id]
    while parent := parents.get(chain[-1]):
        chain.append(parent)
    return chain
