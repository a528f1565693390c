"""One run from config to dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import yaml

from datagen.errors import ConfigError, StoreError
from datagen.execute.commit import Committer, Report
from datagen.execute.compaction import SLICES, compact
from datagen.execute.feed import Feed
from datagen.execute.fingerprints import run_fingerprint
from datagen.execute.finish import finish
from datagen.execute.ledger import Counts, Ledger
from datagen.execute.local import run_local
from datagen.execute.lock import held, packing
from datagen.execute.operators import fuse
from datagen.execute.shares import Receipt, Share, state_of, told_unfinished
from datagen.execute.watching import Summary, Told, Watching
from datagen.nodes import Graph
from datagen.shards.index import DATASET, HISTORY, read_dataset
from datagen.store import Store

Engine = Literal["ray", "local"]
CONFIG = "run/config.yaml"


def run(
    graph: Graph,
    *,
    out: str,
    engine: Engine,
    limit: int | None = None,
    share: Share | None = None,
    watcher: Watching,
) -> Summary:
    """Run a graph into the folder or address `out`; goes on where an earlier run stopped.

    With a `share`, only the slices of that share are computed, and the last share packs.
    Raises `KeyboardInterrupt` if the watcher stopped it; what was committed by then is kept.
    """
    begun = time.perf_counter()
    store = Store(out)
    refuse_foreign(store, graph)
    with held(store, share):
        store.write(CONFIG, resolved_text(graph).encode())
        summary = _run(graph, out=out, engine=_engine(engine, watcher), limit=limit, share=share, watcher=watcher)
    summary.seconds = time.perf_counter() - begun
    return summary


def _run(
    graph: Graph,
    *,
    out: str,
    engine: Callable[..., Iterator[Report]],
    limit: int | None,
    share: Share | None,
    watcher: Watching,
) -> Summary:
    committer = committer_of(graph, out)
    ledger = Ledger(Store(out), committer.fingerprint)
    _tell_if_unreadable(ledger.store, watcher)
    receipt = Receipt(ledger.store)
    feed = Feed(graph, ledger, limit, watcher, share)
    summary = Summary(Counts(), 0, 0, 0.0)
    for report in engine(fuse(graph), committer, feed):
        summary.computed += 1
        summary.counts.add(report.counts)
        for stage, seconds in report.seconds.items():
            summary.by_stage[stage] = summary.by_stage.get(stage, 0.0) + seconds
        watcher.slice_done(Told(summary.computed, summary.counts))
        if summary.computed % SLICES == 0:
            _compact(ledger, share)
    if watcher.stopping:
        raise KeyboardInterrupt
    _compact(ledger, share)
    if share:
        _finish_share(graph, ledger, feed, share, receipt, summary)
    else:
        finish(graph, ledger, feed.rows, summary)
    return summary


def _compact(ledger: Ledger, share: Share | None) -> None:
    if share:
        compact(ledger, takes=share.takes)
    else:
        compact(ledger)


def _finish_share(graph: Graph, ledger: Ledger, feed: Feed, share: Share, receipt: Receipt, summary: Summary) -> None:
    """Pack if the slices of all shares are committed, and no other share does so or did."""
    summary.slices = sum(share.takes(number) for number in range(len(feed.rows)))
    if left := feed.unfinished():
        summary.waits_for = (
            f"the dataset is packed once all shares are done; not yet done: {told_unfinished(left, of=share.of)}"
        )
        return
    state = state_of(feed.rows, options=[ledger.fingerprint, graph.loaded.pipeline.output.model_dump(mode="json")])
    with packing(ledger.store) as is_ours:
        if not is_ours:
            summary.waits_for = "all shares are done; another one is packing the dataset now"
        elif receipt.is_new(state):
            summary.waits_for = "all shares are done; another one has packed the dataset"
        else:
            finish(graph, ledger, feed.rows, summary)
            receipt.enter(state)


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


def _engine(name: Engine, watcher: Watching) -> Callable[..., Iterator[Report]]:
    if name == "local":
        return run_local
    from datagen.execute.ray import run_ray

    return partial(run_ray, say=watcher.say)
