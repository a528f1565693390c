"""Packing goes on where it was killed, does nothing twice, and holds little."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from making import about, committed, record, streamed

from datagen.core.errors import StoreError
from datagen.shards import partition_columns as spread_module
from datagen.shards.columns import ACCEPTED, NARROW, Rows
from datagen.shards.index import CARD, DATASET, INDEX
from datagen.shards.options import OutputOptions
from datagen.shards.pack import WORK, Packed, pack
from datagen.shards.packed import PACKED
from datagen.shards.plan import plan_shards
from datagen.shards.shard import ShardDone, ShardJob
from datagen.shards.verify import verify_dataset
from datagen.storage.store import Store

SMALL = OutputOptions(val_fraction=0.2, shard_mb=0.02)
ITEMS = [record(f"r{number}", seed=5 * number) for number in range(16)]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


@pytest.fixture
def accepted(store: Store) -> pa.Table:
    return committed(store, ITEMS)


def packing(store: Store, rows: Rows, *, entries: str = "one", seed: int = 7, **more: object) -> Packed:
    return pack(store, rows, options=SMALL, about=about(16, seed=seed), entries=entries, **more)  # type: ignore[arg-type]


def dataset_files(store: Store) -> dict[str, bytes]:
    names = [DATASET, INDEX, CARD, *(f"shards/{name}" for name in store.names("shards"))]
    return {name: store.read(name) for name in names}


def dying_after(number: int) -> Callable[..., Iterator[ShardDone]]:
    """Jobs of which so many come to an end."""

    def map_jobs(work: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob]) -> Iterator[ShardDone]:
        for job, _ in zip(jobs, range(number), strict=False):
            yield work(job)
        raise KeyboardInterrupt

    return map_jobs


def test_a_killed_pack_goes_on_with_the_shards_that_are_missing(store: Store, accepted: pa.Table) -> None:
    whole = packing(store, streamed(accepted))
    expected = dataset_files(store)
    assert len(whole.written) > 5
    for name in ("shards", WORK, PACKED, DATASET):
        store.remove(name)
    with pytest.raises(KeyboardInterrupt):
        packing(store, streamed(accepted), map_jobs=dying_after(3))
    again = packing(store, streamed(accepted))
    assert list(again.written) == list(whole.written)[3:]
    assert dataset_files(store) == expected
    assert verify_dataset(store) == []


KILLED = """
import os, pickle, signal, sys
from making import about, streamed
from datagen.shards import shard
from datagen.storage.store import Store
from test_packing_again import packing
whole, left = shard.HashingWriter.write, [int(sys.argv[3])]
def write(self, data):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(self, data)
shard.HashingWriter.write = write
packing(Store(sys.argv[1]), streamed(pickle.load(open(sys.argv[2], "rb"))))
"""


@pytest.mark.subprocess
def test_a_pack_killed_by_the_system_goes_on_and_leaves_nothing_behind(
    store: Store, accepted: pa.Table, tmp_path: Path
) -> None:
    (tmp_path / "rows").write_bytes(pickle.dumps(accepted))
    here = Path(__file__).parent
    path = ":".join(map(str, (here, here.parent, here.parent.parent)))
    command = [sys.executable, "-c", KILLED, store.address, str(tmp_path / "rows"), "8"]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert [name for name in store.names("shards") if name.endswith(".tmp")]
    there = {f"shards/{name}" for name in store.names("shards") if name.endswith(".tar")}
    again = packing(store, streamed(accepted))
    shards = {shard.path for shard in again.dataset.shards}
    assert there
    assert set(again.written) == shards - there
    assert {f"shards/{name}" for name in store.names("shards")} == shards
    assert len(store.names(f"{WORK}/{store.folders(WORK)[0]}")) == 2 * len(shards)
    assert verify_dataset(store) == []


def test_shards_of_another_plan_do_not_count(store: Store, accepted: pa.Table) -> None:
    first = packing(store, streamed(accepted))
    with pytest.raises(KeyboardInterrupt):
        packing(store, streamed(accepted), seed=8, map_jobs=dying_after(1))
    again = packing(store, streamed(accepted))
    assert again.written == first.written
    assert len(store.folders(WORK)) == 1
    assert verify_dataset(store) == []


def unreadable(columns: Sequence[str]) -> Iterator[pa.Table]:
    raise AssertionError(f"{columns} were read")


def test_where_nothing_changed_nothing_is_read(store: Store, accepted: pa.Table) -> None:
    first = packing(store, streamed(accepted))
    before = dataset_files(store)
    again = packing(store, unreadable)
    assert (again.dataset, again.written) == (first.dataset, [])
    assert dataset_files(store) == before
    for change in ({"entries": "two"}, {"entries": ""}, {"seed": 8}):
        with pytest.raises(AssertionError, match="were read"):
            packing(store, unreadable, **change)  # type: ignore[arg-type]


def truncated(name: str) -> Callable[[Store], None]:
    return lambda store: store.write(name, store.read(name)[:-7])


@pytest.mark.parametrize(
    ("harm", "written"),
    [
        (lambda store: store.remove("shards/train-000001.tar"), ["shards/train-000001.tar"]),
        (truncated("shards/train-000001.tar"), ["shards/train-000001.tar"]),
        (lambda store: store.write("shards/train-000099.tar", b"more"), []),
        (lambda store: store.remove(INDEX), []),
        (truncated(INDEX), []),
        (lambda store: store.remove(CARD), []),
        (lambda store: store.write(CARD, store.read(CARD).replace(b"adding", b"ADDING")), []),
        (lambda store: store.remove(DATASET), []),
        (lambda store: store.write(DATASET, store.read(DATASET).replace(b'"seed": 7', b'"seed": 8')), []),
        (lambda store: store.remove(PACKED), []),
    ],
)
def test_the_same_pack_mends_what_is_missing_and_no_more(
    store: Store, accepted: pa.Table, harm: Callable[[Store], None], written: list[str]
) -> None:
    packing(store, streamed(accepted))
    before = dataset_files(store)
    harm(store)
    again = packing(store, streamed(accepted))
    assert list(again.written) == written
    assert dataset_files(store) == before
    assert verify_dataset(store) == []


@pytest.mark.parametrize("file", ["train-000001.json", "train-000001.index.parquet"])
def test_a_shard_whose_marker_is_damaged_is_written_again(store: Store, accepted: pa.Table, file: str) -> None:
    packing(store, streamed(accepted))
    before = dataset_files(store)
    name = f"{WORK}/{store.folders(WORK)[0]}/{file}"
    data = store.read(name)
    store.write(name, data[:90] + bytes([data[90] ^ 1]) + data[91:-1] + b"?")
    store.remove(DATASET)
    assert list(packing(store, streamed(accepted)).written) == ["shards/train-000001.tar"]
    assert dataset_files(store) == before


def test_order_tables_and_buckets_change_no_byte(
    store: Store, accepted: pa.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    packing(store, streamed(accepted, rows=100))
    before = dataset_files(store)
    store.remove("shards")
    store.remove(WORK)
    monkeypatch.setattr(spread_module, "_BUCKET_ROWS", 3)
    monkeypatch.setattr(spread_module, "_HELD", 700)
    mixed = accepted.take(np.random.default_rng(3).permutation(accepted.num_rows))

    def backwards(work: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob]) -> list[ShardDone]:
        return [pickle.loads(pickle.dumps(work(pickle.loads(pickle.dumps(job))))) for job in reversed([*jobs])]

    packing(store, streamed(mixed, rows=3), map_jobs=backwards)
    assert dataset_files(store) == before


def test_rows_that_change_while_they_are_packed_are_told(store: Store, accepted: pa.Table) -> None:
    def changing(columns: Sequence[str]) -> Iterator[pa.Table]:
        return streamed(accepted if set(columns) <= {*NARROW} else accepted.slice(1))(columns)

    with pytest.raises(StoreError, match="the ledger changed while it was packed, shards/"):
        packing(store, changing)
    assert not store.exists(DATASET)


def many(samples: int) -> Rows:
    """Samples that exist in the plan alone; each third one is a duplicate."""
    tables = [thousand(range(start, min(start + 1000, samples))) for start in range(0, samples, 1000)]
    return lambda columns: (table.select(columns) for table in tables)


def thousand(numbers: range) -> pa.Table:
    values = {name: [f"{name} {number}" for number in numbers] for name in ACCEPTED.names}
    values |= {"slice": [f"{number // 64:06d}-x" for number in numbers], "size": [1000] * len(numbers)}  # type: ignore[dict-item]
    values["content"] = [f"{number - (number % 3 == 2)}" for number in numbers]
    return pa.table(values)


def held(samples: int) -> tuple[int, int]:
    """Bytes that a plan takes, and the most while it was made."""
    rows = many(samples)  # before memory is traced, which makes Python some times slower
    tracemalloc.start()
    try:
        plan = plan_shards(rows, options=SMALL, seed=0)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(plan.dropped) == samples // 3
    return now, peak


def test_a_plan_takes_a_few_dozen_bytes_a_sample() -> None:
    held(1000)
    (few, few_at_most), (more, more_at_most) = held(10_000), held(40_000)
    assert (more - few) / 30_000 < 60
    assert (more_at_most - few_at_most) / 30_000 < 250
