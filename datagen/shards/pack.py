"""The last phase of a run: parts become the shards of a dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from datagen.errors import StoreError
from datagen.shards.card import Counts, dataset_card
from datagen.shards.index import (
    CARD,
    DATASET,
    HISTORY,
    INDEX,
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
from datagen.shards.plan import DUPLICATE, MB, ShardPlan, cut, drop_duplicates, plan_shards, take_accepted
from datagen.shards.writer import ending
from datagen.store import Store

CopyAll = Callable[[Iterable[ShardPlan]], Iterable[ShardInfo]]
"""Copies shards, in whatever way, and yields what came out in the order of the plans."""

_CHUNK = 16 * MB
"""Bytes of samples that are held at once."""


class Packed(NamedTuple):
    """What came out."""

    dataset: DatasetInfo
    dropped: pa.Table
    """Accepted samples that the dataset has no place for: id, key, reason, of (the key that stays)."""


def _nothing(dropped: pa.Table) -> None:
    pass


def pack(
    store: Store,
    accepted: pa.Table,
    *,
    options: OutputOptions,
    about: About,
    copy_all: CopyAll | None = None,
    before_shards: Callable[[pa.Table], None] = _nothing,
) -> Packed:
    """Write the dataset of `accepted` (columns as in `ACCEPTED`), and dataset.json last.

    The same rows give the same bytes; their order matters only in which of
    several duplicates stays. An older dataset of the store is kept as
    `run/history/*.json` and gone from the moment anything is replaced; what is
    killed before the end leaves no dataset.json, and is done again.
    `before_shards` is told of the dropped samples once the old one is gone: what
    has to agree with dataset.json is written there.
    """
    kept, dropped = drop_duplicates(take_accepted(accepted))
    plans = plan_shards(kept, options=options, seed=about.seed)
    set_aside(store, about.pipeline)
    before_shards(dropped)
    shards = list(copy_all(plans) if copy_all else (copy_shard(store, plan) for plan in plans))
    _sweep(store, shards)
    members = _write_index(store, plans, kept)
    dataset = _dataset(about, shards, dropped)
    counts = Counts(members, _counted(kept["license"]), _counted(kept["task"]))
    store.write(CARD, dataset_card(dataset, about=about, counts=counts).encode())
    store.write(DATASET, dataset.encoded())
    return Packed(dataset, dropped)


def copy_shard(store: Store, plan: ShardPlan) -> ShardInfo:
    """Write one shard from ranges of parts, holding some 16 MB at a time."""
    with store.writing(plan.path) as file:
        passing = _Hashed(file)
        for sample in _samples(store, plan.rows):
            passing.write(sample)
        passing.write(ending(passing.size))
    return ShardInfo(
        path=plan.path,
        sha256=passing.digest.hexdigest(),
        bytes=passing.size,
        samples=plan.rows.num_rows,
        split=plan.split,
    )


class _Hashed:
    """Counts and hashes what is written through it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Write `data` to the end."""
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)


def _samples(store: Store, rows: pa.Table) -> Iterator[bytes]:
    """The tar blocks of each sample, in order."""
    for start, stop in cut(rows["size"].to_numpy(), _CHUNK):
        chunk = rows.slice(start, stop - start).to_pylist()
        found = store.read_ranges([(row["part"], row["offset"], row["size"]) for row in chunk])
        for row, data in zip(chunk, found, strict=True):
            if not data.startswith(f"{row['key']}.".encode()):
                raise StoreError(
                    f"{store.address}/{row['part']}: sample '{row['key']}' does not begin at byte {row['offset']}; "
                    "the part is damaged, remove it and run again, which computes its slice anew"
                )
            yield data


def set_aside(store: Store, pipeline: str) -> None:
    """Keep the old dataset.json in the history, and take it away while the dataset changes.

    One that cannot be read is kept too. Raises `StoreError` if it is another pipeline's.
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
    kept = store.names(HISTORY)
    data = store.read(DATASET)
    if not kept or store.read(f"{HISTORY}/{kept[-1]}") != data:
        store.write(f"{HISTORY}/{len(kept):06d}.json", data)
    store.remove(DATASET)


def _sweep(store: Store, shards: Iterable[ShardInfo]) -> None:
    """Remove shards that are not of this dataset: readers take all that lie there."""
    listed = {shard.path for shard in shards}
    for name in store.names(SHARDS):
        if f"{SHARDS}/{name}" not in listed:
            store.remove(f"{SHARDS}/{name}")


def _write_index(store: Store, plans: Iterable[ShardPlan], accepted: pa.Table) -> list[str]:
    """Write index.parquet, a row group a shard; the names of all members there are."""
    names: set[str] = set()
    with store.writing(INDEX) as file, pq.ParquetWriter(file, index_schema()) as writer:
        for plan in plans:
            rows = _index_rows(plan, accepted)
            names.update(pc.unique(pc.list_flatten(rows["members"]).combine_chunks().field("name")).to_pylist())
            writer.write_table(rows)
    return sorted(names)


def _index_rows(plan: ShardPlan, accepted: pa.Table) -> pa.Table:
    schema = index_schema()
    rows = accepted.take(plan.rows["row"])
    columns = {
        "key": rows["key"],
        "split": pa.array([plan.split] * rows.num_rows),
        "shard": pa.array([plan.path] * rows.num_rows),
        "members": pa.array(list(_shifted(rows)), schema.field("members").type),
        "task": rows["task"],
        "instruction": rows["instruction"],
        "scores": pa.array([_score_rows(text) for text in rows["scores"].to_pylist()], schema.field("scores").type),
        "license": rows["license"],
    }
    return pa.table(columns).cast(schema)


def _score_rows(text: str) -> list[dict[str, object]]:
    return [{"name": name, "value": value} for name, value in json.loads(text or "{}").items()]


def _shifted(rows: pa.Table) -> Iterator[list[dict[str, object]]]:
    """Members of each sample, their offsets counted in the shard."""
    start = 0
    columns = (rows[name].to_pylist() for name in ("members", "offset", "size"))
    for text, offset, size in zip(*columns, strict=True):
        members = sorted(json.loads(text).items())
        yield [{"name": name, "offset": at - offset + start, "size": length} for name, (at, length) in members]
        start += size


def _dataset(about: About, shards: list[ShardInfo], dropped: pa.Table) -> DatasetInfo:
    rejected = dict(sorted(about.rejected.items()))
    if dropped.num_rows:
        rejected[f"pack/{DUPLICATE}"] = dropped.num_rows
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
        runs=[RunRow(fingerprint=about.fingerprint, stages=list(about.stages))],
    )


def _counted(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value is there, by value."""
    counts = {row["values"]: row["counts"] for row in pc.value_counts(column).to_pylist()}
    return dict(sorted(counts.items()))
