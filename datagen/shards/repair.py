"""Writes damaged files of a finished dataset anew, as they were."""

from __future__ import annotations

from collections.abc import Collection

from datagen.core.errors import StoreError
from datagen.shards.columns import Rows
from datagen.shards.pack import WORK, close, finished_shards, shard_job
from datagen.shards.packed import PACKED, PackedInfo
from datagen.shards.partition_columns import spread
from datagen.shards.plan import Plan, plan_shards
from datagen.shards.shard import ShardDone, marker_file, write_shard
from datagen.storage.store import Store


def mend(store: Store, rows: Rows, packed: PackedInfo, *, damaged: Collection[str]) -> dict[str, str]:
    """Write the `damaged` files anew, given by their paths; of those that could not be, why.

    dataset.json stays where it is all the while: what is written is what it lists. Where something
    is left, the next run packs anew, but for the shards that are whole.
    """
    for path in damaged:
        stem = path.rpartition("/")[2].removesuffix(".tar")
        store.remove(f"{WORK}/{packed.plan}/{marker_file(stem)}")
    left = _left(store, rows, packed, damaged)
    if left:
        store.remove(PACKED)
    return left


def _left(store: Store, rows: Rows, packed: PackedInfo, damaged: Collection[str]) -> dict[str, str]:
    recipe = packed.recipe
    plan = plan_shards(rows, options=recipe.options, seed=recipe.about.seed)
    if plan.digest != packed.plan:
        return dict.fromkeys(damaged, "the ledger is not that which was packed")
    done = finished_shards(store, plan)
    faults = _write_missing(store, rows, plan, done)
    if faults:
        return {path: faults.get(path, "a shard is missing") for path in {*damaged, *faults}}
    close(store, plan, recipe, done)
    return {}


def _write_missing(store: Store, rows: Rows, plan: Plan, done: dict[str, ShardDone]) -> dict[str, str]:
    """Write the shards that are not done, and note them there; of those that cannot be written, why."""
    missing = [number for number, shard in enumerate(plan.shards) if shard.path not in done]
    spread(store, rows, plan=plan, folder=f"{WORK}/{plan.digest}", wanted=missing)
    faults = {}
    for number in missing:
        job = shard_job(store, plan, number)
        try:
            done[job.path] = write_shard(job)
        except StoreError as error:
            faults[job.path] = str(error)
    return faults
