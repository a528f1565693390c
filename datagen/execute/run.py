"""One run from config to dataset."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal, NamedTuple

import yaml

from datagen.config import Loaded, loaded
from datagen.errors import ConfigError, DatagenError, StoreError
from datagen.execute.commit import Committer
from datagen.execute.feed import Feed
from datagen.execute.fingerprints import run_fingerprint, stage_fingerprints
from datagen.execute.finish import finish
from datagen.execute.ledger import Counts, Ledger
from datagen.execute.local import run_local
from datagen.execute.lock import held
from datagen.execute.operators import fuse
from datagen.execute.tally import add_all
from datagen.execute.watching import Heard, Summary, Told, Watching
from datagen.execute.worker import Place
from datagen.nodes import Graph
from datagen.shards.index import DATASET, HISTORY, read_dataset
from datagen.store import Store
from datagen.yamlfile import parse_yaml

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
    retry: bool = False
    """Run records that failed before again, and only those."""


def run(graph: Graph, *, out: str, how: How, watcher: Watching) -> Summary:
    """Run a graph into the folder or address `out`; goes on where an earlier run stopped.

    Raises `KeyboardInterrupt` if the watcher stopped it; what was committed by then is kept.
    Raises `DatagenError` if too many records failed.
    """
    begun = time.perf_counter()
    store = Store(out)
    refuse_foreign(store, graph)
    with held(store):
        store.write(CONFIG, resolved_text(graph).encode())
        summary = _run(graph, out=out, how=how, watcher=watcher)
    summary.seconds = time.perf_counter() - begun
    return summary


def _run(graph: Graph, *, out: str, how: How, watcher: Watching) -> Summary:
    committer = committer_of(graph, out)
    ledger = Ledger(Store(out), committer.fingerprint)
    _tell_if_unreadable(ledger.store, watcher)
    feed = Feed(graph, ledger, how.rows, watcher, retry=how.retry)
    summary = Summary(Counts(), 0, 0, 0.0)
    for heard in _engine(how, watcher)(fuse(graph), committer, place_of(graph, out), feed):
        _hear(heard, summary, watcher)
        _stop_if_too_many_fail(summary, how.failed_share)
    if watcher.stopping:
        raise KeyboardInterrupt
    finish(graph, ledger, feed.rows, summary)
    return summary


def _hear(heard: Heard, summary: Summary, watcher: Watching) -> None:
    for note in heard.notes:
        watcher.say(note)
    add_all(summary.tallies, heard.tallies.items())
    if heard.report:
        summary.computed += 1
        summary.counts.add(heard.report.counts)
        watcher.slice_done(Told(summary.computed, summary.counts))


def _stop_if_too_many_fail(summary: Summary, share: float | None) -> None:
    failed, records = summary.counts.failed, summary.counts.records
    if share is None or failed <= share * max(records, _FEWEST):
        return
    stages = {stage: tally.failed for stage, tally in summary.tallies.items() if tally.failed}
    worst = max(stages, key=stages.__getitem__, default="source")
    raise DatagenError(
        f"stopped early: {failed} of {records} records failed, more than --max-failed {share:g} allows, "
        f"most of them in '{worst}'; `show OUT ID` tells why. Mend it and run the same command: it goes on from here"
    )


_FEWEST = 100
"""Records as whose share failures are counted, while there are fewer."""


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


def place_of(graph: Graph, out: str) -> Place:
    """What the workers of this graph share below `out`."""
    return Place(out, stage_fingerprints(graph), uuid.uuid4().hex[:12])


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
            use["with"] = nodes[use["id"]].config.model_dump(mode="json")
            if use["after"] is None:
                del use["after"]
    data["profiles"] = {graph.loaded.profile: {"unchecked": list(graph.loaded.unchecked)}}
    return data


def _engine(how: How, watcher: Watching) -> Callable[..., Iterator[Heard]]:
    if how.engine == "local":
        return run_local
    from datagen.execute.ray import run_ray

    return partial(run_ray, address=how.ray_address, in_flight_mb=how.in_flight_mb, say=watcher.say)
