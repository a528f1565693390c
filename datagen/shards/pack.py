"""Packing, the last phase of a run: the samples in the parts become the shards of a dataset."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow.parquet as pq

from datagen.core.errors import StoreError
from datagen.shards.columns import Rows
from datagen.shards.dataset_card import SampleCounts, dataset_card
from datagen.shards.duplicates import Dropped
from datagen.shards.index import (
    CARD,
    DATASET,
    HISTORY,
    INDEX,
    INDEX_VERSION,
    SHARDS,
    About,
    DatasetInfo,
    FieldRow,
    RunRow,
    ShardInfo,
    Totals,
    index_schema,
    read_dataset,
)
from datagen.shards.options import OutputOptions
from datagen.shards.packed import PACKED, PackedInfo, Recipe, sha256_file, sha256_of, unchanged
from datagen.shards.partition_columns import partition_rows
from datagen.shards.plan import Plan, Shard, plan_shards
from datagen.shards.shard import ShardDone, ShardJob, fragment_file, marker_file, read_marker, write_shard
from datagen.storage.store import Store

PACK = "pack"
"""The stage name of a rejection by packing, such as `pack/duplicate`."""
WORK = "run/pack"
_AT_ONCE = 16
"""Shards whose markers and index fragments are read at once."""

MapJobs = Callable[[Callable[[ShardJob], ShardDone], Iterable[ShardJob]], Iterable[ShardDone]]
"""Calls a module-level function with each job, on any machine and in any order, and yields the results."""


class Packed(NamedTuple):
    """The result of packing."""

    dataset: DatasetInfo
    dropped: Dropped | None
    """Accepted samples that packing dropped; None if the dataset was up to date."""
    written: Sequence[str]
    """Paths of the shards that this call wrote; the others were already there."""


def _nothing(dropped: Dropped) -> None:
    pass


def pack(
    store: Store,
    rows: Rows,
    *,
    options: OutputOptions,
    about: About,
    entries: str = "",
    map_jobs: MapJobs = map,
    before_shards: Callable[[Dropped], None] = _nothing,
) -> Packed:
    """Write the dataset of the samples that `rows` streams; dataset.json is written last.

    The same samples give the same bytes, whatever their order and the cuts between tables. Memory: the plan takes 52
    bytes a sample, 24 of them while shards are written, and some hundred bytes a shard. `map_jobs` runs a job a shard.
    A shard that was written for the same plan before, and still has its size, is not written again.

    `entries` identifies the state of the rows. If the finished dataset was packed from the same state, nothing is done;
    '' means unknown. An older dataset.json moves to `run/history/` before any file is replaced. A killed call leaves no
    dataset.json, and the next call continues its work. `before_shards` is called with the dropped samples when the old
    dataset.json is gone, to write files that must agree with the new one. Raises `StoreError`.
    """
    recipe = Recipe(entries=entries, options=options, about=about)
    if (dataset := unchanged(store, recipe)) is not None:
        return Packed(dataset, None, [])
    plan = plan_shards(rows, options=options, seed=about.seed)
    # shard names are fixed, so the old dataset.json would be wrong as soon as one shard is replaced
    set_aside(store, about.pipeline)
    before_shards(plan.dropped)
    folder = work_folder(store, plan)
    done = finished_shards(store, plan)
    missing = [number for number, shard in enumerate(plan.shards) if shard.path not in done]
    partition_rows(store, rows, plan=plan, folder=folder, wanted=missing)
    jobs = [shard_job(store, plan, number) for number in missing]
    written = {found.info.path: found for found in map_jobs(write_shard, jobs)}
    dataset = write_dataset(store, plan, recipe, {**done, **written})
    return Packed(dataset, plan.dropped, [job.path for job in jobs])


def shard_job(store: Store, plan: Plan, number: int) -> ShardJob:
    """The job that writes one shard of a plan."""
    shard = plan.shards[number]
    return ShardJob(store.address, f"{WORK}/{plan.digest}", shard.path, shard.split, shard.samples, store.writer)


def work_folder(store: Store, plan: Plan) -> str:
    """The folder of a plan's markers. Removes those of other plans, because their shards are about to be replaced."""
    for name in store.folders(WORK):
        if name != plan.digest:
            store.remove(f"{WORK}/{name}")
    return f"{WORK}/{plan.digest}"


def finished_shards(store: Store, plan: Plan) -> dict[str, ShardDone]:
    """By path, the shards that were written for this plan and still have their size and index fragment."""
    folder = f"{WORK}/{plan.digest}"
    there, shards = store.sizes(folder), store.sizes(SHARDS)
    found: dict[str, ShardDone] = {}
    begun = [shard for shard in plan.shards if there.keys() >= set(_files(shard))]
    for start in range(0, len(begun), _AT_ONCE):
        chosen = begun[start : start + _AT_ONCE]
        names = [name for shard in chosen for name in _files(shard)]
        data = store.read_ranges([(f"{folder}/{name}", 0, there[name]) for name in names])
        for shard, marker, fragment in zip(chosen, data[::2], data[1::2], strict=True):
            done = read_marker(marker)
            if done and shards.get(f"{shard.stem}.tar") == done.info.bytes and sha256_of(fragment) == done.fragment:
                found[shard.path] = done
    return found


def _files(shard: Shard) -> tuple[str, str]:
    """Names of the marker and the index fragment of a shard."""
    return marker_file(shard.stem), fragment_file(shard.stem)


def write_dataset(store: Store, plan: Plan, recipe: Recipe, done: dict[str, ShardDone]) -> DatasetInfo:
    """Join the results of the jobs: write index.parquet, README.md, and dataset.json last."""
    shards = [done[shard.path] for shard in plan.shards]
    _sweep(store, SHARDS, {shard.path for shard in plan.shards})
    _join_index(store, plan, version=min((shard.index for shard in shards), default=INDEX_VERSION))
    dataset = _dataset(recipe.about, [shard.info for shard in shards], plan.dropped.counts)
    card = dataset_card(dataset, about=recipe.about, counts=_counts(shards)).encode()
    store.write(CARD, card)
    index, size = sha256_file(store, INDEX)
    files = {"card": sha256_of(card), "dataset": sha256_of(dataset.encoded()), "index": index}
    packed = PackedInfo(recipe=recipe, plan=plan.digest, index_bytes=size, **files)
    folder = f"{WORK}/{plan.digest}"
    _sweep(store, folder, {f"{folder}/{name}" for shard in plan.shards for name in _files(shard)})
    # packed.json first: it holds the checksum of dataset.json, and a dataset is finished once dataset.json is there
    store.write(PACKED, packed.model_dump_json(indent=1).encode() + b"\n")
    store.write(DATASET, dataset.encoded())
    return dataset


def set_aside(store: Store, pipeline: str) -> None:
    """Move the old dataset.json to `run/history/`, so that there is none while the dataset changes.

    A damaged one is moved too. Raises `StoreError` if it belongs to another pipeline.
    """
    if not store.exists(DATASET):
        return
    try:
        owner = read_dataset(store).pipeline
    except StoreError:
        owner = pipeline  # damaged: the run that mends it must not die of it
    if owner != pipeline:
        raise StoreError(
            f"{store.address} holds the dataset of pipeline '{owner}', not of '{pipeline}'; give another --out"
        )
    if store.is_linked(DATASET):  # what it leads to lies elsewhere and stays there
        store.remove(DATASET)
        return
    history = store.names(HISTORY)
    # a run that was killed between the next two writes has stored this one already
    data = store.read(DATASET)
    if not history or store.read(f"{HISTORY}/{history[-1]}") != data:
        store.write(f"{HISTORY}/{len(history):06d}.json", data)
    store.remove(DATASET)


def _sweep(store: Store, folder: str, keep: set[str]) -> None:
    """Remove all other files of a folder: readers take every shard that is there."""
    for name in store.names(folder):
        if f"{folder}/{name}" not in keep:
            store.remove(f"{folder}/{name}")


def _join_index(store: Store, plan: Plan, *, version: int) -> None:
    """Write index.parquet from its fragments, one row group for each shard, with the columns that all of them have."""
    folder, schema = f"{WORK}/{plan.digest}", index_schema(version)
    with store.writing(INDEX) as file, pq.ParquetWriter(file, schema) as writer:
        for shard in plan.shards:
            fragment = pq.read_table(io.BytesIO(store.read(f"{folder}/{fragment_file(shard.stem)}")))
            writer.write_table(fragment.select(schema.names))


def _counts(shards: Iterable[ShardDone]) -> SampleCounts:
    members: set[str] = set()
    licenses: Counter[str] = Counter()
    tasks: Counter[str] = Counter()
    for shard in shards:
        members.update(shard.members)
        licenses.update(shard.licenses)
        tasks.update(shard.tasks)
    return SampleCounts(sorted(members), dict(sorted(licenses.items())), dict(sorted(tasks.items())))


def _dataset(about: About, shards: list[ShardInfo], dropped: Mapping[str, int]) -> DatasetInfo:
    rejected = dict(sorted(about.rejected.items()))
    rejected.update({f"{PACK}/{reason}": number for reason, number in dropped.items()})
    return DatasetInfo(
        pipeline=about.pipeline,
        fingerprint=about.fingerprint,
        seed=about.seed,
        fields=[FieldRow(**{name: getattr(field, name) for name in FieldRow.model_fields}) for field in about.fields],
        non_deterministic=list(about.non_deterministic),
        shards=shards,
        totals=Totals(
            sources=about.sources,
            records=about.records,
            accepted=sum(shard.samples for shard in shards),
            rejected=rejected,
            failed=about.failed,
        ),
        runs=[RunRow(fingerprint=about.fingerprint, stages=list(about.stages)), *about.earlier],
    )
