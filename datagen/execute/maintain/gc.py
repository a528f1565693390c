"""Garbage collection: removes files of an OUT that neither its dataset nor its last run needs.

Only files whose path matches a pattern of `KINDS` are removed. If it cannot be determined what a run needs, because the
source cannot be read for example, everything of that run stays.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.core.errors import ConfigError, DatagenError, StoreError
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.lock import LOCK, expel_forgotten, locked
from datagen.execute.reuse.code_versions import settle_code
from datagen.execute.reuse.run_manifest import last_run, read_stages
from datagen.execute.run import CONFIG, stored_config
from datagen.execute.workers.slices import cut
from datagen.pipeline.graph import build
from datagen.pipeline.graph_model import Graph
from datagen.shards.index import DATASET, read_dataset
from datagen.shards.packed import read_packed
from datagen.shards.table import UNREADABLE
from datagen.storage.store import Store

_FINGERPRINT = r"(?P<print>[0-9a-f]{16})"
_SLICE = r"(?P<slice>\d{6,}-[0-9a-f]{12})"
KINDS = {
    "parts": re.compile(rf"run/parts/{_FINGERPRINT}/{_SLICE}-[0-9a-f]+\.tar"),
    "ledgers": re.compile(
        rf"run/ledger/{_FINGERPRINT}/({_SLICE}(\.r(?P<round>\d+))?\.parquet|compact-[\w.-]+\.parquet|pack\.parquet|[\w-]+\.(txt|json))"
    ),
    "kept answers": re.compile(rf"run/checkpoints/{_FINGERPRINT}/{_SLICE}(\.\d+)?\.arrow"),
    "cache": re.compile(rf"run/cache/{_FINGERPRINT}/{_SLICE}/([0-9a-f]+(\.arrow)?|log-[0-9a-f]+)"),
    "journals": re.compile(r"run/journals/[0-9a-f]{32}\.json"),
    "pack leftovers": re.compile(r"run/pack/.+"),
    "unfinished files": re.compile(r"((run|shards|report)/.+|[^/]+)\.[0-9a-f]{8}\.tmp"),
}
"""Patterns of the files that may be removed, by kind. Other files are never touched."""


@dataclass
class Freed:
    """The files that were removed, or would be."""

    files: dict[str, int] = field(default_factory=dict)
    """Number of files, by kind."""
    bytes: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, kind: str, size: int) -> None:
        """Count a file."""
        self.files[kind] = self.files.get(kind, 0) + 1
        self.bytes[kind] = self.bytes.get(kind, 0) + size


class RunNeeds(NamedTuple):
    """What a run needs. A field is None if that is unknown; then everything of its kind stays."""

    slices: set[str] | None
    fingerprints: set[str] | None
    """Fingerprints of its stages."""


def collect_garbage(out: str, *, dry: bool = False) -> Freed:
    """Remove what neither the dataset nor the run that began last needs; with `dry`, only list it.

    Raises `ConfigError` if a run writes into OUT, `StoreError` if it cannot be determined what is needed.
    """
    store = Store(out)
    if not store.exists(CONFIG):
        raise ConfigError(f"{store.address} holds no run of datagen; give the folder that a run wrote to")
    with locked(store) as held:  # a run would write files that nothing refers to yet
        store = held.store
        freed = Freed()
        needs = _needs_by_run(store, freed.notes)
        for path, kind, size in list(_unreferenced(store, needs)):
            freed.add(kind, size)
            if not dry:
                store.remove(path)
        if not dry:
            expel_forgotten(held)
            _remove_empty_folders(store)
        return freed


def _needs_by_run(store: Store, notes: list[str]) -> dict[str, RunNeeds]:
    """What the last run and the dataset's run need, by the run's fingerprint."""
    graph = _build_graph(store, notes)
    source = _source_slices(graph, notes) if graph else None
    last = last_run(store) or _config_fingerprint(graph, store)
    found = {last: source}
    if store.exists(DATASET):
        dataset = read_dataset(store).fingerprint
        found[dataset] = None if source is None else source.union(Ledger(store, dataset).slices())
    return {print: RunNeeds(slices, _stage_fingerprints(store, print, notes)) for print, slices in found.items()}


def _build_graph(store: Store, notes: list[str]) -> Graph | None:
    """The graph of the config that the last run stored; None and a note if it cannot be built here."""
    try:
        return build(stored_config(store.address))
    except DatagenError as error:
        notes.append(f"the source cannot be read, so that no slice counts as gone from it: {error}")
        return None


def _source_slices(graph: Graph, notes: list[str]) -> set[str] | None:
    pipeline = graph.loaded.pipeline
    try:
        parts = cut(graph.source, size=pipeline.slice_size, group_by=pipeline.source.group_by)
        return {part.name for part in parts}
    except DatagenError as error:
        notes.append(f"the source cannot be read, so that no slice counts as gone from it: {error}")
        return None


def _config_fingerprint(graph: Graph | None, store: Store) -> str:
    """The fingerprint of the stored config's run, for an OUT that does not say which run began last."""
    if graph is None:
        raise StoreError(f"{store.address} does not say which run was begun last; run again, which notes it")
    return settle_code(graph, store=store).context.fingerprint


def _stage_fingerprints(store: Store, print: str, notes: list[str]) -> set[str] | None:
    stages = read_stages(store, print)
    if stages:
        return {stage.fingerprint for stage in stages.values()}
    notes.append(f"it is not known what stages run {print} has, so that all answers are kept")
    return None


def _unreferenced(store: Store, needs: Mapping[str, RunNeeds]) -> Iterator[tuple[str, str, int]]:
    """Yield the path, the kind and the bytes of each file that nothing needs."""
    files = {**store.files("run"), **store.files("shards"), **store.files("report")}
    files |= store.sizes("")
    needed = _needed_of_ledgers(store, list(files), needs) | _needed_of_pack(store, list(files))
    for path, size in files.items():
        kind = next((kind for kind, pattern in KINDS.items() if pattern.fullmatch(path)), "")
        if kind and path not in needed and not path.startswith(LOCK) and not _is_needed_answer(path, kind, needs):
            yield path, kind, size


def _needed_of_pack(store: Store, files: list[str]) -> set[str]:
    """Files of the last packing, from which the dataset can be repaired."""
    try:
        folder = f"run/pack/{read_packed(store).plan}/"
    except StoreError:
        return set()
    return {path for path in files if path.startswith(folder)}


def _is_needed_answer(path: str, kind: str, needs: Mapping[str, RunNeeds]) -> bool:
    match = KINDS[kind].fullmatch(path)
    if kind not in ("kept answers", "cache") or match is None:
        return False
    return any(
        (run.fingerprints is None or match["print"] in run.fingerprints)
        and (run.slices is None or match["slice"] in run.slices)
        for run in needs.values()
    )


def _needed_of_ledgers(store: Store, files: list[str], needs: Mapping[str, RunNeeds]) -> set[str]:
    """The ledger files that count, and the parts that their rows name."""
    needed: set[str] = set()
    for print, run in needs.items():
        folder = f"run/ledger/{print}/"
        own = [path for path in files if path.startswith(folder)]
        needed.update(path for path in own if path.endswith((".txt", ".json", "/pack.parquet")))
        entries: dict[str, list[tuple[int, bool, str]]] = {}
        for path in own:
            for slice, round in _slices_in(store, path).items():
                if run.slices is None or slice in run.slices:
                    entries.setdefault(slice, []).append((round, "/compact-" in path, path))
        needed.update(_needed_rounds(store, entries))
    return needed


def _slices_in(store: Store, path: str) -> dict[str, int]:
    """The slices in a ledger file, and the round of each. Raises `StoreError` if it is damaged."""
    match = KINDS["ledgers"].fullmatch(path)
    if match and match["slice"]:
        return {match["slice"]: int(match["round"] or 0)}
    if "/compact-" not in path:
        return {}
    try:
        listed = json.loads((_open_parquet(store, path).metadata.metadata or {})[b"slices"])
        return {str(slice): int(round) for slice, round in listed.items()}
    except (KeyError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise StoreError(f"{store.address}/{path} is damaged: it does not list its slices") from error


def _needed_rounds(store: Store, entries: Mapping[str, list[tuple[int, bool, str]]]) -> Iterator[str]:
    """Yield, for each slice, the file of its highest readable round and the parts that its rows name.

    Damaged files of higher rounds are needed too: a run reports the damage, and does not fall back to an older round.
    """
    slices: dict[str, set[str]] = {}
    for slice, rounds in entries.items():
        for _, _, path in sorted(rounds, reverse=True):
            yield path
            if path in slices or _is_readable(store, path):
                slices.setdefault(path, set()).add(slice)
                break
    for path, names in slices.items():
        for part in pc.unique(_read_parts(store, path)).to_pylist():
            match = KINDS["parts"].fullmatch(part or "")
            if match and match["slice"] in names:
                yield part


def _is_readable(store: Store, path: str) -> bool:
    try:
        _read_parts(store, path)
    except StoreError:
        return False
    return True


def _open_parquet(store: Store, path: str) -> pq.ParquetFile:
    with _damage_as_store_error(store, path):
        return pq.ParquetFile(io.BytesIO(store.read(path)))


def _read_parts(store: Store, path: str) -> pa.ChunkedArray:
    file = _open_parquet(store, path)
    with _damage_as_store_error(store, path):
        return file.read(["part"])["part"]


@contextmanager
def _damage_as_store_error(store: Store, path: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise StoreError(f"{store.address}/{path} is damaged: {error}; run again, which mends it") from error


def _remove_empty_folders(store: Store) -> None:
    """Remove the empty folders of runs and stages."""
    left = list(store.files("run"))
    for kind in ("parts", "ledger", "checkpoints", "cache", "pack"):
        for name in store.folders(f"run/{kind}"):
            folder = f"run/{kind}/{name}"
            if not any(path.startswith(f"{folder}/") for path in left):
                store.remove(folder)


def freed_text(freed: Freed, out: str, *, dry: bool) -> str:
    """Format the result for a terminal."""
    verb = "would be freed" if dry else "freed"
    lines = [f"{kind:<16}  {number} files, {format_bytes(freed.bytes[kind])}" for kind, number in freed.files.items()]
    total = f"{out}: {format_bytes(sum(freed.bytes.values()))} {verb}" if lines else f"{out}: nothing to free"
    return "\n".join([*lines, *freed.notes, total])


def format_bytes(bytes: float) -> str:
    """Format a number of bytes with a unit, such as "1.5 MB"; the units are powers of 1024."""
    for unit, power in (("GB", 30), ("MB", 20), ("kB", 10)):
        if bytes >= 1 << power:
            return f"{bytes / (1 << power):.1f} {unit}"
    return f"{bytes:.0f} bytes"
