"""The end of a run: nothing is lost, and the dataset is packed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from datagen.core.errors import StoreError
from datagen.execute.engines.progress_events import Summary
from datagen.execute.ledger.ledger import SCHEMA, Counts, Ledger
from datagen.execute.ledger.ledger_audit import accepted, account, dropped_tables
from datagen.execute.reuse.fingerprints import digest, models_of, run_fingerprint
from datagen.pipeline.graph_model import Graph, Node
from datagen.shards.duplicates import Dropped
from datagen.shards.index import DATASET, SPLITS, About, StageRow, read_dataset
from datagen.shards.pack import PACK, MapJobs, pack, set_aside
from datagen.shards.plan import slice_number
from datagen.sources.formats.mix.mix import Mix


def finish(graph: Graph, ledger: Ledger, cut: dict[str, int], summary: Summary, *, map_jobs: MapJobs = map) -> None:
    """Prove that nothing was lost, pack, and enter what the dataset consists of and what packing dropped."""
    found = account(ledger, cut)
    if found.faults:
        raise StoreError(f"{ledger.store.address}: the ledger does not add up: {'; '.join(found.faults)}")

    def rows(columns: Sequence[str]) -> Iterator[pa.Table]:
        return accepted(ledger, cut, columns=columns)

    def enter(dropped: Dropped) -> None:
        ledger.enter_slices(cut)
        ledger.enter_dropped(_dropped(ledger, cut, dropped))

    if not _is_entered(ledger, cut):
        set_aside(ledger.store, graph.loaded.pipeline.pipeline)  # so that it is entered anew
    packed = pack(
        ledger.store,
        rows,
        options=graph.loaded.pipeline.output,
        about=about_run(graph, found.counts, fingerprint=ledger.fingerprint),
        entries=_entries(ledger, cut),
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


def _entries(ledger: Ledger, cut: Mapping[str, int]) -> str:
    """Tells one state of the ledger from another."""
    places = ledger.listing().places
    return digest([ledger.fingerprint, sorted((name, rows, places[name].round) for name, rows in cut.items())])


def _is_entered(ledger: Ledger, cut: Mapping[str, int]) -> bool:
    """Whether what lies beside the slices is what the dataset that is there asks for."""
    try:
        drops = sum(table.num_rows for table in dropped_tables(ledger, columns=["status"]))
        return ledger.slices() == cut and drops == _packed_drops(ledger)
    except StoreError:
        return False


def _packed_drops(ledger: Ledger) -> int:
    """How many samples the dataset that is there says to have dropped."""
    if not ledger.store.exists(DATASET):
        return -1
    rejected = read_dataset(ledger.store).totals.rejected
    return sum(number for reason, number in rejected.items() if reason.startswith(f"{PACK}/"))


def _dropped(ledger: Ledger, cut: Mapping[str, int], dropped: Dropped) -> Iterator[pa.Table]:
    """Ledger rows of accepted records that packing rejected."""
    slices = [name for name in cut if slice_number(name) in dropped.slices]
    for table in dropped.rows(accepted(ledger, slices, columns=SCHEMA.names)):
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


def about_run(graph: Graph, counts: Counts, *, fingerprint: str = "") -> About:
    """What the dataset's index and card say of the run."""
    pipeline = graph.loaded.pipeline
    stages = [_stage_row(node) for node in graph.nodes]
    earlier = graph.source.runs() if isinstance(graph.source, Mix) else []
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
