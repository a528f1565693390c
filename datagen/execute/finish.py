"""The end of a run: nothing is lost, and the dataset is packed."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import StoreError
from datagen.execute.fingerprints import models_of, run_fingerprint
from datagen.execute.ledger import Counts, Ledger, Row, count, joined, ledger_faults, to_table
from datagen.execute.watching import Summary
from datagen.nodes import Graph, Node
from datagen.shards.index import SPLITS, About, StageRow
from datagen.shards.pack import pack


def finish(graph: Graph, ledger: Ledger, cut: dict[str, int], summary: Summary) -> None:
    """Prove that nothing was lost, pack, and enter what the dataset consists of and what packing dropped."""
    if faults := ledger_faults(ledger, cut=cut):
        raise StoreError(f"{ledger.store.address}: the ledger does not add up: {'; '.join(faults)}")
    rows = joined(ledger.tables(cut))
    accepted = rows.filter(pc.equal(rows["status"], "accepted"))
    about = about_run(graph, count(rows), fingerprint=ledger.fingerprint)

    def enter(dropped: pa.Table) -> None:
        ledger.enter_slices(cut)
        ledger.enter_dropped(_dropped(accepted, dropped))

    options = graph.loaded.pipeline.output
    packed = pack(ledger.store, accepted, options=options, about=about, before_shards=enter)
    totals = packed.dataset.totals
    summary.counts = Counts(totals.sources, totals.accepted, totals.failed, dict(totals.rejected))
    summary.slices = len(cut)
    summary.example = next(iter(accepted["key"].slice(0, 1).to_pylist()), "")
    summary.failed = rows["id"].filter(pc.equal(rows["status"], "failed")).slice(0, 5).to_pylist()
    summary.shards = len(packed.dataset.shards)
    summary.splits = {split: packed.dataset.samples(split) for split in SPLITS}


def _dropped(accepted: pa.Table, dropped: pa.Table) -> pa.Table:
    """Ledger rows of accepted records that packing rejected."""
    why = {row["id"]: row for row in dropped.to_pylist()}
    rows = accepted.filter(pc.is_in(accepted["id"], pa.array(list(why), pa.string()))).to_pylist()
    for row in rows:
        reason = why[row["id"]]
        row.update(status="rejected", stage="pack", reason=reason["reason"], detail=f"same content as {reason['of']}")
    return to_table(Row(**row) for row in rows)


def about_run(graph: Graph, counts: Counts, *, fingerprint: str = "") -> About:
    """What the dataset's index and card say of the run."""
    pipeline = graph.loaded.pipeline
    used = {name for node in graph.nodes for name in (*node.reads, *node.writes)} | set(graph.source.writes)
    return About(
        pipeline=pipeline.pipeline,
        description=pipeline.description,
        fingerprint=fingerprint or run_fingerprint(graph),
        seed=pipeline.seed,
        sources=counts.sources,
        records=counts.records,
        rejected=counts.rejected,
        failed=counts.failed,
        stages=[_stage_row(node) for node in graph.nodes],
        non_deterministic=[node.id for node in graph.nodes if not node.stage.deterministic],
        fields=[field for name, field in graph.catalogue.items() if name in used],
        model_licenses={
            model.revision: model.license for node in graph.nodes for model in models_of(node) if model.license
        },
        unchecked=graph.loaded.unchecked,
    )


def _stage_row(node: Node) -> StageRow:
    models = models_of(node)
    return StageRow(
        id=node.id,
        use=node.use,
        version=node.stage.version,
        model=", ".join(model.kind for model in models),
        revision=", ".join(model.revision for model in models),
    )
