"""One run from config to dataset."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, NamedTuple

import yaml

from datagen.core.errors import ConfigError, DatagenError, StoreError
from datagen.execute.engines.local import Local
from datagen.execute.engines.progress_events import Heard, Running, Summary, Told, Watching
from datagen.execute.engines.slice_queue import Feed
from datagen.execute.engines.throughput import Pace
from datagen.execute.finish import finish
from datagen.execute.ledger.compaction import SLICES, compact
from datagen.execute.ledger.cost_ledger import enter_spent
from datagen.execute.ledger.ledger import Counts, Ledger
from datagen.execute.ledger.lock import held, packing
from datagen.execute.ledger.partitions import Receipt, Share, state_of, told_unfinished
from datagen.execute.ledger.stage_counters import add_all
from datagen.execute.reuse.code_versions import Choice, settle_code
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.reuse.run_manifest import enter_run
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.worker import Place
from datagen.pipeline.config import Loaded, loaded
from datagen.pipeline.graph_model import Graph
from datagen.pipeline.yaml_file import parse_yaml
from datagen.shards.index import DATASET, HISTORY, read_dataset
from datagen.shards.pack import MapJobs
from datagen.shards.sample import SampleSettings
from datagen.storage.store import Store

Engine = Literal["ray", "local"]
CONFIG = "run/config.yaml"


class How(NamedTuple):
    """How a run goes; none of it changes what comes out."""

    engine: Engine = "ray"
    rows: int | None = None
    """Source rows to take; all, if not given."""
    failed_share: float | None = None
    """Of the records; if more fail, the run stops. Judged as if there were at least a hundred of them."""
    in_flight_mb: float | None = None
    """Of slices that are on their way between workers; a share of Ray's object store, if not given."""
    ray_address: str = ""
    """A cluster to join; else Ray is started on this machine."""
    share: Share | None = None
    """Of several runs at once into one OUT: only the slices of this share are computed, and the last one packs."""
    retry: bool = False
    """Run records that failed before again, and only those."""
    code: Choice = ""
    """What becomes of results whose stage's code changed since, though its version did not."""


def run(graph: Graph, *, out: str, how: How, watcher: Watching) -> Summary:
    """Run a graph into the folder or address `out`; goes on where an earlier run stopped.

    Raises `KeyboardInterrupt` if the watcher stopped it; what was committed by then is kept.
    Raises `DatagenError` if too many records failed.
    """
    begun = time.perf_counter()
    store = Store(out)
    refuse_foreign(store, graph)
    with held(store, how.share):
        store.write(CONFIG, resolved_text(graph).encode())
        settled = settle_code(graph, store=store, choice=how.code)
        for note in settled.notes:
            watcher.say(note)
        settled.book.write(store)
        enter_run(settled, rows=how.rows)
        summary = _run(settled.context, how=how, watcher=watcher)
    summary.seconds = time.perf_counter() - begun
    return summary


def _run(context: RunContext, *, how: How, watcher: Watching) -> Summary:
    ledger = Ledger(context.store, context.fingerprint)
    _tell_if_unreadable(context.store, watcher)
    receipt = Receipt(context.store)
    feed = Feed(context, ledger=ledger, watcher=watcher, limit=how.rows, share=how.share, retry=how.retry)
    summary = Summary(Counts(), 0, 0, 0.0)
    operators = fuse(context.graph)
    progress = Progress(Pace(operators), feed, estimate(context.graph, how))
    watcher.progressed(progress.told(summary))
    with _noted(ledger, summary, how, watcher), _engine(how, watcher) as engine:
        for heard in engine.run(operators, committer_of(context), place_of(context), feed):
            _hear(heard, summary, progress, watcher)
            _stop_if_too_many_fail(summary, how.failed_share)
            if heard.report and summary.computed % SLICES == 0:
                _compact(ledger, how.share)
        if watcher.stopping:
            raise KeyboardInterrupt
        _compact(ledger, how.share)
        ending = _Ending(context, ledger, feed, summary, engine.map_jobs)
        if how.share:
            _finish_share(ending, share=how.share, receipt=receipt)
        else:
            ending.pack()
    return summary


@contextmanager
def _noted(ledger: Ledger, summary: Summary, how: How, watcher: Watching) -> Iterator[None]:
    """However the block ends, what its stages took is noted; if that cannot be done, it is said."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        try:
            enter_spent(ledger, summary.stage_counters, seconds=time.perf_counter() - begun, share=how.share)
        except StoreError as error:
            watcher.say(f"what stages took is not noted: {error}")


class Progress(NamedTuple):
    """What it takes to tell how far a run is."""

    pace: Pace
    feed: Feed
    estimate: int | None
    """Slices in all."""

    def told(self, summary: Summary) -> Told:
        """How far it is now."""
        seen = self.feed.taken
        total = seen if self.feed.ended else max(self.estimate, seen) if self.estimate is not None else None
        return self.pace.told(summary.counts, slices=summary.computed, before=self.feed.before, total=total)


def estimate(graph: Graph, how: How) -> int | None:
    """Slices that a run cuts, from the rows of its source; which of them a retry runs again, is not known before."""
    rows = None if how.retry else graph.source.count()
    if rows is None:
        return None
    slices = math.ceil((rows if how.rows is None else min(rows, how.rows)) / graph.loaded.pipeline.slice_size)
    return math.ceil(slices / how.share.of) if how.share else slices


def _hear(heard: Heard, summary: Summary, progress: Progress, watcher: Watching) -> None:
    for note in heard.notes:
        watcher.say(note)
    add_all(summary.stage_counters, heard.stage_counters.items())
    if heard.report:
        summary.computed += 1
        summary.counts.add(heard.report.counts)
    progress.pace.hear(heard)
    watcher.progressed(progress.told(summary))


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
"""Records as whose share failures are counted, while there are fewer."""


def _compact(ledger: Ledger, share: Share | None) -> None:
    if share:
        compact(ledger, takes=share.takes)
    else:
        compact(ledger)


class _Ending(NamedTuple):
    """What it takes to end a run all of whose slices were taken."""

    context: RunContext
    ledger: Ledger
    feed: Feed
    summary: Summary
    map_jobs: MapJobs

    def pack(self) -> None:
        """Pack the dataset, and enter into the summary what came out."""
        finish(self.context, ledger=self.ledger, cut=self.feed.rows, summary=self.summary, map_jobs=self.map_jobs)


def _finish_share(ending: _Ending, *, share: Share, receipt: Receipt) -> None:
    """Pack if the slices of all shares are committed, and no other share does so or did."""
    context, feed, summary = ending.context, ending.feed, ending.summary
    summary.slices = sum(share.takes(number) for number in range(len(feed.rows)))
    if left := feed.unfinished():
        summary.waits_for = (
            f"the dataset is packed once all shares are done; not yet done: {told_unfinished(left, of=share.of)}"
        )
        return
    options = [context.fingerprint, context.graph.loaded.pipeline.output.model_dump(mode="json")]
    state = state_of(feed.rows, options=options)
    with packing(context.store) as is_ours:
        if not is_ours:
            summary.waits_for = "all shares are done; another one is packing the dataset now"
        elif receipt.is_new(state):
            summary.waits_for = "all shares are done; another one has packed the dataset"
        else:
            ending.pack()
            receipt.enter(state)


def _tell_if_unreadable(store: Store, watcher: Watching) -> None:
    """A damaged dataset.json does not keep a run from writing it anew."""
    try:
        if store.exists(DATASET):
            read_dataset(store)
    except StoreError as error:
        watcher.say(f"{error}; it is kept in {HISTORY}")


def committer_of(context: RunContext) -> Committer:
    """What the workers of a run need to commit."""
    graph, pipeline = context.graph, context.graph.loaded.pipeline
    settings = SampleSettings(
        catalogue=graph.catalogue,
        scored_by=graph.score_writers,
        unchecked=graph.loaded.unchecked,
        run=context.fingerprint,
        seed=pipeline.seed,
        images=pipeline.output.images,
    )
    return Committer(context.store.address, settings)


def place_of(context: RunContext) -> Place:
    """What the workers of a run share below OUT."""
    return Place(context.store.address, context.stage_fingerprints, uuid.uuid4().hex[:12])


def refuse_foreign(store: Store, graph: Graph) -> None:
    """Raise `ConfigError` if OUT is another pipeline's, or has files that datagen did not write."""
    name = graph.loaded.pipeline.pipeline
    if store.exists(CONFIG):
        if (owner := pipeline_in(store)) != name:
            raise ConfigError(f"{store.address} holds the output of pipeline '{owner}'; give '{name}' another --out")
    elif store.names("") or store.exists("shards"):
        raise ConfigError(f"{store.address} has other files in it, and datagen did not write them; give another --out")


def pipeline_in(store: Store) -> str:
    """The pipeline whose output a folder holds. Raises `StoreError` if its config does not say."""
    try:
        owner = parse_yaml(store.read(CONFIG).decode(), name=CONFIG).data.get("pipeline")
    except (ConfigError, UnicodeDecodeError):
        owner = None
    if not owner or not isinstance(owner, str):
        raise StoreError(
            f"{store.address}/{CONFIG} is damaged, so it does not say whose output this is; "
            "write the line 'pipeline: NAME' into it, or give another --out"
        )
    return owner


def stored_config(out: str) -> Loaded:
    """The config that the last run into OUT ran. Raises `StoreError` where there is none."""
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
    text = yaml.safe_dump(resolved_config(graph), sort_keys=False, allow_unicode=True)
    return f"# Profile {graph.loaded.profile}, all options spelt out.\n{text}"


def resolved_config(graph: Graph) -> dict[str, Any]:
    """The config with the profile laid over it and every default filled in; runs again as it is."""
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


def _engine(how: How, watcher: Watching) -> AbstractContextManager[Running]:
    if how.engine == "local":
        return Local()
    from datagen.execute.engines.ray import OnRay

    return OnRay(address=how.ray_address, in_flight_mb=how.in_flight_mb, say=watcher.say)
