"""One run from config to dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import yaml

from datagen.errors import ConfigError, StoreError
from datagen.execute.commit import Committer, Report, parts_folder
from datagen.execute.fingerprints import models_of, run_fingerprint
from datagen.execute.ledger import Counts, Ledger, Row, conservation_faults, count, joined, to_table
from datagen.execute.local import run_local
from datagen.execute.lock import held
from datagen.execute.operators import fuse
from datagen.execute.slices import Slice, cut
from datagen.nodes import Graph, Node
from datagen.shards.index import DATASET, HISTORY, SPLITS, About, StageRow, read_dataset
from datagen.shards.pack import pack, set_aside
from datagen.store import Store

Engine = Literal["ray", "local"]
CONFIG = "run/config.yaml"


class Told(NamedTuple):
    """How far a run is: slices and records that were computed now."""

    slices: int
    counts: Counts


class Watching(Protocol):
    """Whoever is told of a run, and may end it."""

    @property
    def stopping(self) -> bool:
        """No further slice is to be begun."""
        ...

    def say(self, text: str) -> None:
        """Something that happens once."""
        ...

    def slice_done(self, told: Told) -> None:
        """A slice was committed."""
        ...


@dataclass
class Summary:
    """What a run came to."""

    counts: Counts
    slices: int
    computed: int
    """Slices computed now; the others were committed before."""
    seconds: float
    by_stage: dict[str, float] = field(default_factory=dict)
    """Seconds in each stage, summed over workers, of the slices computed now."""
    shards: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    example: str = ""
    """Key of one accepted sample."""
    failed: list[str] = field(default_factory=list)
    """Ids of some that failed."""


def run(
    graph: Graph,
    *,
    out: str,
    engine: Engine,
    limit: int | None = None,
    watcher: Watching,
) -> Summary:
    """Run a graph into the folder or address `out`; goes on where an earlier run stopped.

    Raises `KeyboardInterrupt` if the watcher stopped it; what was committed by then is kept.
    """
    begun = time.perf_counter()
    store = Store(out)
    refuse_foreign(store, graph)
    with held(store):
        store.write(CONFIG, resolved_text(graph).encode())
        summary = _run(graph, out=out, engine=_engine(engine, watcher), limit=limit, watcher=watcher)
    summary.seconds = time.perf_counter() - begun
    return summary


def _run(
    graph: Graph, *, out: str, engine: Callable[..., Iterator[Report]], limit: int | None, watcher: Watching
) -> Summary:
    committer = committer_of(graph, out)
    ledger = Ledger(Store(out), committer.fingerprint)
    _tell_if_unreadable(ledger.store, watcher)
    feed = _Feed(graph, ledger, limit, watcher)
    summary = Summary(Counts(), 0, 0, 0.0)
    for report in engine(fuse(graph), committer, feed):
        summary.computed += 1
        summary.counts.add(report.counts)
        for stage, seconds in report.seconds.items():
            summary.by_stage[stage] = summary.by_stage.get(stage, 0.0) + seconds
        watcher.slice_done(Told(summary.computed, summary.counts))
    if watcher.stopping:
        raise KeyboardInterrupt
    _finish(graph, ledger, feed.rows, summary)
    return summary


def _tell_if_unreadable(store: Store, watcher: Watching) -> None:
    """A damaged dataset.json does not keep a run from writing it anew."""
    try:
        if store.exists(DATASET):
            read_dataset(store)
    except StoreError as error:
        watcher.say(f"{error}; it is kept in {HISTORY}")


def committer_of(graph: Graph, out: str) -> Committer:
    """What the workers of this graph need to commit into `out`."""
    pipeline = graph.loaded.pipeline
    return Committer(
        address=out,
        fingerprint=run_fingerprint(graph),
        seed=pipeline.seed,
        catalogue=graph.catalogue,
        score_writers=graph.score_writers,
        unchecked=graph.loaded.unchecked,
        images=pipeline.output.images,
    )


def refuse_foreign(store: Store, graph: Graph) -> None:
    """Raise `ConfigError` if OUT is another pipeline's, or has files that datagen did not write."""
    name = graph.loaded.pipeline.pipeline
    if store.exists(CONFIG):
        if (owner := _owner(store)) != name:
            raise ConfigError(f"{store.address} holds the output of pipeline '{owner}'; give '{name}' another --out")
    elif store.names("") or store.exists("shards"):
        raise ConfigError(f"{store.address} has other files in it, and datagen did not write them; give another --out")


def _owner(store: Store) -> str:
    """The pipeline whose output a folder holds."""
    try:
        found = yaml.safe_load(store.read(CONFIG))
    except (yaml.YAMLError, UnicodeDecodeError):
        found = None
    owner = found.get("pipeline") if isinstance(found, dict) else None
    if not owner or not isinstance(owner, str):
        raise StoreError(
            f"{store.address}/{CONFIG} is damaged, so it does not say whose output this is; "
            "write the line 'pipeline: NAME' into it, or give another --out"
        )
    return owner


def resolved_text(graph: Graph) -> str:
    """The resolved config as YAML."""
    text = yaml.safe_dump(resolved_config(graph), sort_keys=False, allow_unicode=True)
    return f"# Profile {graph.loaded.profile}, all options spelt out.\n{text}"


def resolved_config(graph: Graph) -> dict[str, Any]:
    """The config with the profile laid over it and every default filled in; runs again as it is."""
    data = graph.loaded.pipeline.model_dump(mode="json", by_alias=True)
    nodes = {node.id: node for node in graph.nodes}
    for entry in data["stages"]:
        for use in entry["repeat"]["stages"] if "repeat" in entry else [entry]:
            use["id"] = use["id"] or use["use"]
            use["with"] = nodes[use["id"]].config.model_dump(mode="json")
            if use["after"] is None:
                del use["after"]
    data["profiles"] = {graph.loaded.profile: {"unchecked": list(graph.loaded.unchecked)}}
    return data


class _Feed:
    """The slices that are not committed yet, or whose entry or part is damaged."""

    def __init__(self, graph: Graph, ledger: Ledger, limit: int | None, watcher: Watching) -> None:
        pipeline = graph.loaded.pipeline
        self._watcher = watcher
        self._ledger = ledger
        self._pipeline = pipeline.pipeline
        self.rows: dict[str, int] = {}
        """How many rows of the source each slice was given, by its name; in their order."""
        self._done = ledger.committed()
        folder = parts_folder(ledger.fingerprint)
        self._parts = {f"{folder}/{name}": size for name, size in ledger.store.sizes(folder).items()}
        self._slices = cut(graph.source, size=pipeline.slice_size, group_by=pipeline.source.group_by, limit=limit)

    def __iter__(self) -> Iterator[Slice]:
        for part in self._slices:
            if self._watcher.stopping:
                return
            name = part.name
            self.rows[name] = len(part.rows)
            if name not in self._done or self._is_damaged(name):
                yield part

    def _is_damaged(self, name: str) -> bool:
        """Whether a committed slice has to be computed again; it is forgotten then, and the dataset set aside."""
        fault = self._ledger.fault(name, cut=self.rows[name], parts=self._parts)
        if fault:
            self._watcher.say(f"slice {name} is computed again: {fault}")
            set_aside(self._ledger.store, self._pipeline)
            self._ledger.drop(name)
        return bool(fault)


def _engine(name: Engine, watcher: Watching) -> Callable[..., Iterator[Report]]:
    if name == "local":
        return run_local
    from datagen.execute.ray import run_ray

    return partial(run_ray, say=watcher.say)


def _finish(graph: Graph, ledger: Ledger, cut: dict[str, int], summary: Summary) -> None:
    """Prove that nothing was lost, pack, and enter what the dataset consists of and what packing dropped."""
    slices = {name: ledger.read(name) for name in cut}
    if faults := conservation_faults(slices, cut=cut):
        raise StoreError(f"{ledger.store.address}: the ledger does not add up: {'; '.join(faults)}")
    rows = joined(slices.values())
    accepted = rows.filter(pc.equal(rows["status"], "accepted"))
    about = about_run(graph, count(rows))

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


def about_run(graph: Graph, counts: Counts) -> About:
    """What the dataset's index and card say of the run."""
    pipeline = graph.loaded.pipeline
    used = {name for node in graph.nodes for name in (*node.reads, *node.writes)} | set(graph.source.writes)
    return About(
        pipeline=pipeline.pipeline,
        description=pipeline.description,
        fingerprint=run_fingerprint(graph),
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
