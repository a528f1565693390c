"""Rewrites damaged files of a finished dataset, byte for byte."""

from __future__ import annotations

from collections.abc import Collection

from datagen.core.errors import StoreError
from datagen.shards.columns import Rows
from datagen.shards.pack import WORK, finished_shards, shard_job, write_dataset
from datagen.shards.packed import PACKED, PackedInfo
from datagen.shards.partition_columns import partition_rows
from datagen.shards.plan import Plan, plan_shards
from datagen.shards.shard import ShardDone, marker_file, write_shard
from datagen.storage.store import Store


def repair_files(store: Store, rows: Rows, packed: PackedInfo, *, damaged: Collection[str]) -> dict[str, str]:
    """Rewrite the `damaged` files, given by their paths. Returns, by path, why a file could not be rewritten.

    dataset.json stays in place, because the rewritten files are those that it lists. If a file could not be rewritten,
    the next run packs again and reuses the intact shards.
    """
    for path in damaged:  # without its marker, a shard counts as not written
        stem = path.rpartition("/")[2].removesuffix(".tar")
        store.remove(f"{WORK}/{packed.plan}/{marker_file(stem)}")
    faults = _rewrite(store, rows, packed, damaged)
    if faults:
        store.remove(PACKED)
    return faults


def _rewrite(store: Store, rows: Rows, packed: PackedInfo, damaged: Collection[str]) -> dict[str, str]:
    recipe = packed.recipe
    plan = plan_shards(rows, options=recipe.options, seed=recipe.about.seed)
    if plan.digest != packed.plan:
        return dict.fromkeys(damaged, "the ledger is not that which was packed")
    done = finished_shards(store, plan)
    faults = _write_missing(store, rows, plan, done)
    if faults:
        return {path: faults.get(path, "a shard is missing") for path in {*damaged, *faults}}
    write_dataset(store, plan, recipe, done)
    return {}


def _write_missing(store: Store, rows: Rows, plan: Plan, done: dict[str, ShardDone]) -> dict[str, str]:
    """Write the shards that are not in `done` and add them to it. Returns, by path, why a shard cannot be written."""
    missing = [number for number, shard in enumerate(plan.shards) if shard.path not in done]
    partition_rows(store, rows, plan=plan, folder=f"{WORK}/{plan.digest}", wanted=missing)
    faults = {}
    for number in missing:
        job = shard_job(store, plan, number)
        try:
            done[job.path] = write_shard(job)
        except StoreError as error:
            faults[job.path] = str(error)
    return faults
