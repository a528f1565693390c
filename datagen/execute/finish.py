"""The end of a run: audits the ledger, then packs the dataset.

Every record of the source must have exactly one end, or nothing is packed. Packing drops duplicates and the like; these
records end as rejected by `pack`, and are stored in the ledger's folder before the shards are replaced.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from datagen.core.errors import StoreError
from datagen.execute.engines.progress_events import Summary
from datagen.execute.ledger.ledger import SCHEMA, Counts, Ledger
from datagen.execute.ledger.ledger_audit import accepted_tables, audit_ledger, dropped_tables
from datagen.execute.reuse.fingerprints import digest, models_of
from datagen.execute.reuse.run_context import RunContext
from datagen.pipeline.graph_model import Node
from datagen.shards.duplicates import Dropped
from datagen.shards.index import DATASET, SPLITS, About, StageRow, read_dataset
from datagen.shards.pack import PACK, MapJobs, pack, set_aside
from datagen.shards.plan import slice_number
from datagen.sources.formats.mix.mix import Mix


def finish(
    context: RunContext, *, ledger: Ledger, cut: dict[str, int], summary: Summary, map_jobs: MapJobs = map
) -> None:
    """Audit the ledger, pack, and store which slices the dataset has and what packing dropped.

    `ledger` is that of the run, `cut` the number of source rows by slice name. Totals, shards and splits are entered
    into `summary`. `map_jobs` runs the jobs that write shards. Raises `StoreError` if the ledger does not add up.
    """
    pipeline = context.graph.loaded.pipeline
    found = audit_ledger(ledger, cut)
    if found.faults:
        raise StoreError(f"{ledger.store.address}: the ledger does not add up: {'; '.join(found.faults)}")

    def rows(columns: Sequence[str]) -> Iterator[pa.Table]:
        return accepted_tables(ledger, cut, columns=columns)

    def enter(dropped: Dropped) -> None:
        ledger.enter_slices(cut)
        ledger.enter_dropped(_dropped_rows(ledger, cut, dropped))

    if not _is_entered(ledger, cut):
        set_aside(ledger.store, pipeline.pipeline)  # so that `pack` does not skip, and calls `enter`
    packed = pack(
        ledger.store,
        rows,
        options=pipeline.output,
        about=about_run(context, found.counts),
        entries=_ledger_digest(ledger, cut),
        map_jobs=map_jobs,
        before_shards=enter,
    )
    totals = packed.dataset.totals
    summary.counts = Counts(totals.sources, totals.accepted, totals.failed, dict(totals.rejected))
    summary.slices = len(cut)
    summary.example = found.example
    summary.failed = found.failed
    summary.shards = len(packed.dataset.shards)
    summary.splits = {split: packed.dataset.samples(split) for split in SPLITS}


def _ledger_digest(ledger: Ledger, cut: Mapping[str, int]) -> str:
    """A digest of the ledger's slices with their rows and rounds. If it is that of the dataset, `pack` does nothing."""
    places = ledger.listing().locations
    return digest([ledger.fingerprint, sorted((name, rows, places[name].round) for name, rows in cut.items())])


def _is_entered(ledger: Ledger, cut: Mapping[str, int]) -> bool:
    """Whether the stored slices and dropped records are those of the dataset that is there."""
    try:
        drops = sum(table.num_rows for table in dropped_tables(ledger, columns=["status"]))
        return ledger.slices() == cut and drops == _packed_drops(ledger)
    except StoreError:
        return False


def _packed_drops(ledger: Ledger) -> int:
    """Number of samples that the dataset that is there has dropped; -1 if there is no dataset."""
    if not ledger.store.exists(DATASET):
        return -1
    rejected = read_dataset(ledger.store).totals.rejected
    return sum(number for reason, number in rejected.items() if reason.startswith(f"{PACK}/"))


def _dropped_rows(ledger: Ledger, cut: Mapping[str, int], dropped: Dropped) -> Iterator[pa.Table]:
    """Yield the ledger rows of accepted records that packing dropped, as rejected by `pack`."""
    slices = [name for name in cut if slice_number(name) in dropped.slices]
    for table in dropped.rows(accepted_tables(ledger, slices, columns=SCHEMA.names)):
        size = table.num_rows
        changed = {
            "status": pa.array(["rejected"] * size),
            "stage": pa.array([PACK] * size),
            "reason": table["why.reason"].cast(pa.string()),
            "detail": pc.binary_join_element_wise(
                table["why.detail"].cast(pa.string()), table["why.of"].cast(pa.string()), " "
            ),
        }
        columns = [changed.get(name, table[name]) for name in SCHEMA.names]
        yield pa.table(columns, schema=SCHEMA)


def about_run(context: RunContext, counts: Counts) -> About:
    """The facts of the run for the dataset's index and card. `counts` are those of the audit."""
    graph, pipeline = context.graph, context.graph.loaded.pipeline
    stages = [_stage_row(node) for node in graph.nodes]
    earlier = graph.source.runs() if isinstance(graph.source, Mix) else []
    used = {name for node in graph.nodes for name in (*node.reads, *node.writes)} | set(graph.source.writes)
    return About(
        pipeline=pipeline.pipeline,
        description=pipeline.description,
        fingerprint=context.fingerprint,
        seed=pipeline.seed,
        sources=counts.sources,
        records=counts.records,
        rejected=counts.rejected,
        failed=counts.failed,
        stages=stages,
        non_deterministic=[node.id for node in graph.nodes if not node.deterministic],
        fields=[field for name, field in graph.catalogue.items() if name in used],
        model_licenses={
            model: license or "none stated"
            for stage in (*(stage for run in earlier for stage in run.stages), *stages)
            for model, license in (stage.licenses or {}).items()
        },
        unchecked=graph.loaded.unchecked,
        earlier=earlier,
    )


def _stage_row(node: Node) -> StageRow:
    models = models_of(node)
    return StageRow(
        id=node.id,
        use=node.use,
        version=node.stage.version,
        model=", ".join(model.kind for model in models),
        revision=", ".join(model.revision for model in models),
        licenses={model.revision: model.effective_license for model in models if model.effective_license is not None},
    )
