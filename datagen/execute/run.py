"""One run from config to dataset."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal

import yaml

from datagen.errors import ConfigError, StoreError
from datagen.execute.code import Choice, settle_code
from datagen.execute.commit import Committer, Report
from datagen.execute.feed import Feed
from datagen.execute.fingerprints import run_fingerprint
from datagen.execute.finish import finish
from datagen.execute.history import enter_run
from datagen.execute.ledger import Counts, Ledger
from datagen.execute.local import run_local
from datagen.execute.lock import held
from datagen.execute.operators import fuse
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
    code: Choice = "",
    watcher: Watching,
) -> Summary:
    """Run a graph into the folder or address `out`; goes on where an earlier run stopped.

    `code` says what becomes of results whose stage's code changed since.
    Raises `KeyboardInterrupt` if the watcher stopped it; what was committed by then is kept.
    """
    begun = time.perf_counter()
    store = Store(out)
    refuse_foreign(store, graph)
    with held(store):
        store.write(CONFIG, resolved_text(graph).encode())
        salts = settle_code(graph, store, choice=code, say=watcher.say)
        enter_run(graph, store, salts=salts)
        committer = committer_of(graph, out, salts=salts)
        summary = _run(graph, committer, engine=_engine(engine, watcher), limit=limit, watcher=watcher)
    summary.seconds = time.perf_counter() - begun
    return summary


def _run(
    graph: Graph,
    committer: Committer,
    *,
    engine: Callable[..., Iterator[Report]],
    limit: int | None,
    watcher: Watching,
) -> Summary:
    ledger = Ledger(Store(committer.address), committer.fingerprint)
    _tell_if_unreadable(ledger.store, watcher)
    feed = Feed(graph, ledger, limit, watcher)
    summary = Summary(Counts(), 0, 0, 0.0)
    for report in engine(fuse(graph), committer, feed):
        summary.computed += 1
        summary.counts.add(report.counts)
        for stage, seconds in report.seconds.items():
            summary.by_stage[stage] = summary.by_stage.get(stage, 0.0) + seconds
        watcher.slice_done(Told(summary.computed, summary.counts))
    if watcher.stopping:
        raise KeyboardInterrupt
    finish(graph, ledger, feed.rows, summary)
    return summary


def _tell_if_unreadable(store: Store, watcher: Watching) -> None:
    """A damaged dataset.json does not keep a run from writing it anew."""
    try:
        if store.exists(DATASET):
            read_dataset(store)
    except StoreError as error:
        watcher.say(f"{error}; it is kept in {HISTORY}")


def committer_of(graph: Graph, out: str, *, salts: Mapping[str, str] = {}) -> Committer:
    """What the workers of this graph need to commit into `out`."""
    pipeline = graph.loaded.pipeline
    return Committer(
        address=out,
        fingerprint=run_fingerprint(graph, salts=salts),
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
