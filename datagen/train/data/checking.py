"""Checks that datasets are whole before they are trained on, so that no training ends at a missing shard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from datagen.core.errors import StoreError
from datagen.shards.index import DATASET, SHARDS, ShardInfo, read_dataset
from datagen.shards.packed import sha256_file
from datagen.storage.store import Store

CheckKind = Literal["sizes", "checksums"]


def check_dataset(address: str, *, by: CheckKind) -> None:
    """Raise `StoreError` if the dataset is not there, or one of its shards is missing or not what dataset.json lists.

    `by` sizes it lists the shards; by checksums it reads all of them.
    """
    store = Store(address)
    if not store.exists(DATASET):
        raise StoreError(
            f"data.datasets: {address} has no {DATASET}, so it is no finished dataset; "
            "give the OUT of a `python -m datagen run` that has ended"
        )
    sizes = store.sizes(SHARDS)
    for shard in read_dataset(store).shards:
        if fault := next(_faults(store, shard, sizes.get(shard.path.removeprefix(f"{SHARDS}/")), by), ""):
            remedy = f"`python -m datagen verify {address}` says more, and the pipeline's `run` packs it again"
            raise StoreError(f"data.datasets: {address}/{shard.path} {fault}; {remedy}")


def _faults(store: Store, shard: ShardInfo, size: int | None, by: CheckKind) -> Iterator[str]:
    if size is None:
        yield "is missing"
    elif size != shard.bytes:
        yield f"has {size:,} bytes, {DATASET} lists {shard.bytes:,}"
    elif by == "checksums" and sha256_file(store, shard.path)[0] != shard.sha256:
        yield f"has another SHA-256 than {DATASET} lists"
