"""Drives one run from a config to a dataset.

`run` locks OUT, stores the resolved config, and settles which earlier results may be used again. Then `_run` fuses the
stages into operators, lets an engine run all slices that are not committed yet, and packs the dataset
(`datagen/execute/finish.py`). If several drivers share OUT, the last one packs.
"""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from datagen.core.errors import ConfigError, DatagenError, SetupError, StoreError
from datagen.core.yaml_text import to_yaml
from datagen.execute.engines.local import LocalEngine
from datagen.execute.engines.progress_events import EngineEvent, RunningEngine, RunObserver, RunProgress, Summary
from datagen.execute.engines.slice_queue import SliceQueue
from datagen.execute.engines.throughput import Throughput
from datagen.execute.finish import finish
from datagen.execute.ledger.compaction import SLICES_PER_FILE, compact
from datagen.execute.ledger.cost_ledger import add_run_cost
from datagen.execute.ledger.ledger import Counts, Ledger
from datagen.execute.ledger.lock import HeldLock, locked, packing
from datagen.execute.ledger.partitions import PackReceipt, Partition, describe_unfinished, pack_digest
from datagen.execute.ledger.stage_counters import add_all
from datagen.execute.reuse.answer_cache import REPLIES
from datagen.execute.reuse.code_versions import Choice, settle_code
from datagen.execute.reuse.fingerprints import read_checksums
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.reuse.run_manifest import enter_run
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.worker import WorkerContext
from datagen.pipeline.config import Loaded, loaded
from datagen.pipeline.graph_model import Graph
from datagen.pipeline.yaml_file import parse_yaml
from datagen.shards.index import DATASET, HISTORY, read_dataset
from datagen.shards.pack import MapJobs
from datagen.shards.sample import SampleSettings
from datagen.storage.store import Store

EngineName = Literal["ray", "local"]
CONFIG = "run/config.yaml"
"""The resolved config in OUT."""


class RunOptions(NamedTuple):
    """How to run a graph: options that are not in its config, and in no fingerprint."""

    engine: EngineName = "ray"
    rows: int | None = None
    """Number of source rows to take; None for all."""
    failed_share: float | None = None
    """Stop if more than this share of the records fails, 0 to 1. With fewer than 100 records, it is a share of 100."""
    in_flight_mb: float | None = None
    """Limit in MB for slices between workers; by default a share of Ray's object store."""
    ray_address: str = ""
    """Ray cluster to join; by default Ray is started on this machine."""
    share: Partition | None = None
    """If several drivers share OUT: compute only the slices of this share. The last driver packs."""
    retry: bool = False
    """Also run the failed records of committed slices again."""
    code: Choice = ""
    """What to do with earlier results of a stage whose code changed without a new `version`."""


def run(graph: Graph, *, out: str, options: RunOptions, watcher: RunObserver) -> Summary:
    """Run a graph into the folder or address `out`. Slices that an earlier run committed are not computed again.

    Raises `KeyboardInterrupt` if the watcher stopped the run; slices that were committed by then stay. Raises
    `ConfigError` if OUT belongs to another pipeline, and `DatagenError` if too many records failed.
    """
    begun = time.perf_counter()
    store = Store(out)
    refuse_foreign(store, graph)
    with locked(store, options.share) as held:
        store = held.store
        store.refuse_links(f"{REPLIES}/batches")  # workers open it as a store of its own
        store.write(CONFIG, resolved_text(graph).encode())
        settled = settle_code(graph, store=store, choice=options.code)
        for note in settled.notes:
            watcher.notify(note)
        settled.book.write(store)
        enter_run(settled, rows=options.rows)
        try:
            summary = _run(settled.context, held=held, options=options, watcher=watcher)
        except SetupError as error:
            if watcher.stopping:  # a terminal interrupts all of its processes, also those with which Ray is starting
                raise KeyboardInterrupt from error
            raise
    summary.seconds = time.perf_counter() - begun
    return summary


def _run(context: RunContext, *, held: HeldLock, options: RunOptions, watcher: RunObserver) -> Summary:
    ledger = Ledger(context.store, context.fingerprint)
    _report_unreadable_dataset(context.store, watcher)
    receipt = PackReceipt(context.store)
    queue = SliceQueue(
        context, ledger=ledger, watcher=watcher, limit=options.rows, share=options.share, retry=options.retry
    )
    summary = Summary(Counts(), 0, 0, 0.0)
    operators = fuse(context.graph)
    progress = ProgressTracker(Throughput(operators), queue, estimate_slices(context.graph, options))
    watcher.on_progress(progress.snapshot(summary))
    with _recording_cost(ledger, summary, options, watcher), _engine(options, watcher) as engine:
        for event in engine.run(operators, committer_of(context), worker_context_of(context), queue):
            held.check()
            _handle_event(event, summary, progress, watcher)
            _stop_if_too_many_fail(summary, options.failed_share)
            if event.report and summary.computed % SLICES_PER_FILE == 0:
                _compact(ledger, options.share)
        if watcher.stopping:  # the slices in flight were committed; nothing is packed
            raise KeyboardInterrupt
        _compact(ledger, options.share)
        held.confirm()
        ending = _FinishedSlices(context, ledger, queue, summary, engine.map_jobs)
        if options.share:
            _finish_share(ending, share=options.share, receipt=receipt)
        else:
            ending.pack(context.store)
    return summary


@contextmanager
def _recording_cost(ledger: Ledger, summary: Summary, options: RunOptions, watcher: RunObserver) -> Iterator[None]:
    """Add what stages cost to the ledger, however the block ends. If that fails, the user gets a message."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        try:
            add_run_cost(ledger, summary.stage_counters, seconds=time.perf_counter() - begun, partition=options.share)
        except StoreError as error:
            watcher.notify(f"what stages took is not noted: {error}")


class ProgressTracker(NamedTuple):
    """Computes the progress of a run."""

    throughput: Throughput
    queue: SliceQueue
    estimate: int | None
    """Estimated number of all slices; None if unknown."""

    def snapshot(self, summary: Summary) -> RunProgress:
        """The progress now."""
        seen = self.queue.taken
        total = seen if self.queue.ended else max(self.estimate, seen) if self.estimate is not None else None
        return self.throughput.progress(summary.counts, slices=summary.computed, before=self.queue.before, total=total)


def estimate_slices(graph: Graph, options: RunOptions) -> int | None:
    """Number of slices that a run will cut; None if the source does not know its number of rows, or for a retry.

    Groups make slices longer, so that there may be fewer. For a retry, nobody knows yet which slices run again.
    """
    rows = None if options.retry else graph.source.count()
    if rows is None:
        return None
    slices = math.ceil((rows if options.rows is None else min(rows, options.rows)) / graph.loaded.pipeline.slice_size)
    return math.ceil(slices / options.share.of) if options.share else slices


def _handle_event(event: EngineEvent, summary: Summary, progress: ProgressTracker, watcher: RunObserver) -> None:
    """Show the messages of an event, add it to the summary, and report progress."""
    for note in event.notes:
        watcher.notify(note)
    add_all(summary.stage_counters, event.stage_counters.items())
    if event.report:
        summary.computed += 1
        summary.counts.add(event.report.counts)
    progress.throughput.add_event(event)
    watcher.on_progress(progress.snapshot(summary))


def _stop_if_too_many_fail(summary: Summary, share: float | None) -> None:
    failed, records = summary.counts.failed, summary.counts.records
    if share is None or failed <= share * max(records, _FEWEST):
        return
    stages = {stage: counters.failed for stage, counters in summary.stage_counters.items() if counters.failed}
    worst = max(stages, key=stages.__getitem__, default="source")
    raise DatagenError(
        f"stopped early: {failed} of {records} records failed, more than --max-failed {share:g} allows, "
        f"most of them in '{worst}'; `show OUT ID` tells why. Mend it and run the same command: it goes on from here"
    )


_FEWEST = 100
"""`failed_share` is a share of at least this many records, so that one early failure does not stop a run."""


def _compact(ledger: Ledger, share: Partition | None) -> None:
    if share:
        compact(ledger, takes=share.takes)
    else:
        compact(ledger)


class _FinishedSlices(NamedTuple):
    """A run all of whose slices were taken from the queue; what is left is to pack."""

    context: RunContext
    ledger: Ledger
    queue: SliceQueue
    summary: Summary
    map_jobs: MapJobs

    def pack(self, store: Store) -> None:
        """Pack the dataset through the store of a lock, and complete the summary."""
        context, ledger = replace(self.context, store=store), Ledger(store, self.context.fingerprint)
        finish(context, ledger=ledger, cut=self.queue.rows, summary=self.summary, map_jobs=self.map_jobs)


def _finish_share(ending: _FinishedSlices, *, share: Partition, receipt: PackReceipt) -> None:
    """Pack if the slices of all shares are committed, unless another driver packs or has packed them."""
    context, queue, summary = ending.context, ending.queue, ending.summary
    summary.slices = sum(share.takes(number) for number in range(len(queue.rows)))
    if left := queue.unfinished():
        summary.waits_for = (
            f"the dataset is packed once all shares are done; not yet done: {describe_unfinished(left, of=share.of)}"
        )
        return
    options = [context.fingerprint, context.graph.loaded.pipeline.output.model_dump(mode="json")]
    state = pack_digest(queue.rows, options=options)
    with packing(context.store) as held:
        if held is None:
            summary.waits_for = "all shares are done; another one is packing the dataset now"
        elif receipt.is_new(state):
            summary.waits_for = "all shares are done; another one has packed the dataset"
        else:
            ending.pack(held.store)
            receipt.enter(state)  # after packing: if this driver dies before, another one packs


def _report_unreadable_dataset(store: Store, watcher: RunObserver) -> None:
    """Warn of a damaged dataset.json. It does not stop the run, which writes a new one."""
    try:
        if store.exists(DATASET):
            read_dataset(store)
    except StoreError as error:
        watcher.notify(f"{error}; it is kept in {HISTORY}")


def committer_of(context: RunContext) -> Committer:
    """The committer for the workers of a run."""
    graph, pipeline = context.graph, context.graph.loaded.pipeline
    settings = SampleSettings(
        catalogue=graph.catalogue,
        scored_by=graph.score_writers,
        unchecked=graph.loaded.unchecked,
        run=context.fingerprint,
        seed=pipeline.seed,
        images=pipeline.output.images,
    )
    return Committer(context.store.address, settings, context.store.writer)


def worker_context_of(context: RunContext) -> WorkerContext:
    """What the workers of a run have in common."""
    token = uuid.uuid4().hex[:12]
    variables = context.graph.secret_variables
    checksums = read_checksums(context.graph)
    return WorkerContext(context.store.address, context.stage_fingerprints, checksums, token, variables)


def refuse_foreign(store: Store, graph: Graph) -> None:
    """Raise `ConfigError` if OUT is another pipeline's, or has files that datagen did not write."""
    name = graph.loaded.pipeline.pipeline
    if store.exists(CONFIG):
        owner = pipeline_in(store)
    elif store.exists(DATASET):
        owner = _pipeline_of_dataset(store)
    elif store.exists("run/ledger"):
        raise StoreError(f"{store.address}: {CONFIG} is missing{_WHOSE}")
    elif store.names("") or store.exists("shards"):
        raise ConfigError(f"{store.address} has other files in it, and datagen did not write them; give another --out")
    else:
        return
    if owner != name:
        raise ConfigError(f"{store.address} holds the output of pipeline '{owner}'; give '{name}' another --out")


def _pipeline_of_dataset(store: Store) -> str:
    """The pipeline of a finished dataset, where the config that was saved with it is gone."""
    try:
        return read_dataset(store).pipeline
    except StoreError as error:
        if store.exists("run"):
            raise StoreError(f"{error}; {CONFIG} is missing as well{_WHOSE}") from error
        raise ConfigError(
            f"{store.address} has other files in it, and datagen did not write them; give another --out"
        ) from error


_WHOSE = ", so it does not say whose output this is; write the line 'pipeline: NAME' into it, or give another --out"


def pipeline_in(store: Store) -> str:
    """The name of the pipeline whose output `store` holds. Raises `StoreError` if its config is damaged."""
    try:
        owner = parse_yaml(store.read(CONFIG).decode(), name=CONFIG).data.get("pipeline")
    except (ConfigError, UnicodeDecodeError):
        owner = None
    if not owner or not isinstance(owner, str):
        raise StoreError(f"{store.address}/{CONFIG} is damaged{_WHOSE}")
    return owner


def stored_config(out: str) -> Loaded:
    """The config of the last run into `out`. Raises `StoreError` if there is none, or it is damaged."""
    store = Store(out)
    if not store.exists(CONFIG):
        raise StoreError(f"{store.address} holds no run of datagen, {CONFIG} is missing")
    try:
        text = store.read(CONFIG).decode()
    except UnicodeDecodeError as error:
        raise StoreError(f"{store.address}/{CONFIG} is damaged: {error}; run the pipeline again") from error
    return loaded(parse_yaml(text, name=f"{store.address}/{CONFIG}"))


def resolved_text(graph: Graph) -> str:
    """The resolved config as YAML."""
    text = to_yaml(resolved_config(graph), allow_unicode=True)
    return f"# Profile {graph.loaded.profile}, all options spelt out.\n{text}"


def resolved_config(graph: Graph) -> dict[str, Any]:
    """The config with the profile applied and all defaults filled in. It can be run as it is."""
    data = graph.loaded.pipeline.model_dump(mode="json", by_alias=True)
    nodes = {node.id: node for node in graph.nodes}
    for entry in data["stages"]:
        for use in entry["repeat"]["stages"] if "repeat" in entry else [entry]:
            use["id"] = use["id"] or use["use"]
            if use["id"] in nodes:  # not those that the profile leaves out
                use["with"] = nodes[use["id"]].config.model_dump(mode="json")
            if use["after"] is None:
                del use["after"]
    profile = {"leaves_out": list(graph.loaded.leaves_out), "unchecked": list(graph.loaded.unchecked)}
    data["profiles"] = {graph.loaded.profile: profile}
    return data


def _engine(options: RunOptions, watcher: RunObserver) -> AbstractContextManager[RunningEngine]:
    if options.engine == "local":
        return LocalEngine()
    from datagen.execute.engines.ray import RayEngine  # imports Ray, which takes seconds

    return RayEngine(address=options.ray_address, in_flight_mb=options.in_flight_mb, notify=watcher.notify)
