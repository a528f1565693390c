"""OUT in a bucket: the same bytes as in a folder, first wins, and errors that say what to do."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import ray
from buckets import Bucket, served_bucket
from building import PAINT, Quiet, context_of, dataset_bytes, plain_rows, run_local, toy_graph

from datagen.core.errors import ConfigError, StoreError
from datagen.execute.engines.progress_events import RunProgress, Summary
from datagen.execute.ledger.compaction import compact
from datagen.execute.ledger.ledger import Ledger, Row, to_table
from datagen.execute.ledger.lock import LOCK, locked
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, committer_of, run, worker_context_of
from datagen.execute.workers.commit import Committer
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.slices import Job, cut
from datagen.execute.workers.state import RecordEnd, SliceState
from datagen.execute.workers.worker import Worker
from datagen.pipeline.graph_model import Graph
from datagen.shards.index import read_dataset
from datagen.storage.store import Store

pytestmark = pytest.mark.s3

STAGES = [{"use": "sift"}, {"use": "fan_out"}, PAINT]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with served_bucket() as served:
        yield served


@pytest.fixture
def out(bucket: Bucket) -> str:
    """An address where nothing is."""
    return f"{bucket.address}/{uuid.uuid4().hex}"


def dataset_in(bucket: Bucket, out: str) -> dict[str, bytes]:
    """The files of a dataset proper."""
    files = bucket.files(out.removeprefix(f"{bucket.address}/"))
    return {name: data for name, data in files.items() if not name.startswith("run/")}


def run_into(graph: Graph, out: str, watcher: Quiet | None = None) -> Summary:
    return run(graph, out=out, options=RunOptions("local"), watcher=watcher or Quiet())


RACES, RACERS = 10, 4


def test_of_writers_that_create_one_object_one_wins(out: str) -> None:
    store = Store(out)
    won: list[list[int]] = [[] for _ in range(RACES)]
    gate = threading.Barrier(RACERS)

    def race(racer: int) -> None:
        for number in range(RACES):
            gate.wait()
            if store.create(f"{number}.txt", b"%d" % racer * 5000):
                won[number].append(racer)

    threads = [threading.Thread(target=race, args=(racer,)) for racer in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(winners) for winners in won] == [1] * RACES
    for number, winners in enumerate(won):
        assert store.read(f"{number}.txt") == b"%d" % winners[0] * 5000


def test_a_writer_whose_answer_was_lost_and_that_asks_again_has_won(out: str) -> None:
    store = Store(out)
    assert store.create("once", b"mine")
    assert store.create("once", b"mine"), "s3fs repeats a call by itself, and is told then that the object is there"
    assert not store.create("once", b"other")


def test_a_whole_run_gives_the_bytes_of_a_folder(bucket: Bucket, out: str, tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, STAGES, rows=plain_rows(20))
    run_local(graph, tmp_path / "out")
    summary = run_into(graph, out)
    assert dataset_in(bucket, out) == dataset_bytes(tmp_path / "out")
    assert verify(out) == []
    again = run_into(graph, out)
    assert (summary.computed, again.computed, again.slices) == (7, 0, 7)
    assert not Store(out).exists(LOCK)


class Killed(Quiet):
    """Ends a run after some slices, as a signal would."""

    def on_progress(self, message: RunProgress) -> None:
        super().on_progress(message)
        if message.slices == 3:
            raise KeyboardInterrupt


def test_killed_and_continued_equals_unbroken(
    bucket: Bucket, out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.execute.run.compact", lambda ledger, **more: compact(ledger, at_least=2, **more))
    graph = toy_graph(tmp_path, STAGES, rows=plain_rows(20))
    run_local(graph, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        run_into(graph, out, Killed())
    assert run_into(graph, out).computed == 4
    store = Store(out)
    ledger = Ledger(store, read_dataset(store).fingerprint)
    assert {place.is_compacted for place in ledger.listing().locations.values()} == {True}
    assert ledger.listing().singles == {}
    assert run_into(graph, out).computed == 0
    assert dataset_in(bucket, out) == dataset_bytes(tmp_path / "out")
    assert verify(out) == []


def painted(graph: Graph, committer: Committer, round: int = 0) -> SliceState:
    """The first slice, ready to be committed."""
    [part, *_] = cut(graph.source, size=3)
    state = SliceState.start(Job(part, round), catalogue=committer.catalogue)
    Worker(fuse(graph)[0], worker_context_of(context_of(graph, committer.address))).run([state])
    return state


def test_a_late_writer_changes_nothing(out: str, tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(3))
    committer = committer_of(context_of(graph, out))
    store, ledger = Store(out), Ledger(Store(out), committer.fingerprint)
    committer.commit(painted(graph, committer))
    parts, entries = store.names(f"run/parts/{committer.fingerprint}"), store.names(ledger.folder)
    rows = ledger.read(entries[0].removesuffix(".parquet"))
    for _ in range(2):
        late = painted(graph, committer)
        late.end(late.live.pop(), RecordEnd("failed", "paint", "error"))
        assert committer.commit(late).counts.failed == 0
        assert store.names(f"run/parts/{committer.fingerprint}") == parts
        assert ledger.read(entries[0].removesuffix(".parquet")).equals(rows)
        assert compact(ledger, at_least=1) in (0, 1)
        assert ledger.listing().singles == {}


def test_a_part_that_is_gone_is_made_again_as_the_next_round(bucket: Bucket, out: str, tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, STAGES, rows=plain_rows(12))
    run_into(graph, out)
    before = dataset_in(bucket, out)
    store = Store(out)
    folder = f"run/parts/{read_dataset(store).fingerprint}"
    lost = store.names(folder)[0]
    store.remove(f"{folder}/{lost}")
    watcher = Quiet()
    assert run_into(graph, out, watcher).computed == 1
    name = lost.rpartition("-")[0]
    assert watcher.messages == [f"slice {name} is computed again: {out}/{folder}/{lost} is missing"]
    assert dataset_in(bucket, out) == before
    assert f"{name}.r1.parquet" in store.names(f"run/ledger/{read_dataset(store).fingerprint}")
    assert verify(out) == []


def test_rounds_and_compaction(out: str) -> None:
    ledger = Ledger(Store(out), "f")
    for number in range(5):
        assert ledger.commit(f"{number:06d}-a", _rows(f"{number:06d}-a", "first"))
    assert ledger.commit("000002-a", _rows("000002-a", "second"), round=1)
    assert not ledger.commit("000002-a", _rows("000002-a", "third"), round=1)
    before = pa.concat_tables(ledger.tables(f"{number:06d}-a" for number in range(5)))
    assert before["stage"].to_pylist() == ["first", "first", "second", "first", "first"]
    assert compact(ledger, at_least=5) == 5
    [name] = Store(out).names(ledger.folder)
    assert name.startswith("compact-000000-000004-")
    again = Ledger(Store(out), "f")
    assert pa.concat_tables(again.tables(f"{number:06d}-a" for number in range(5))).equals(before)
    assert {slice: entry.round for slice, entry in again.committed({}).items()}["000002-a"] == 1


def _rows(slice: str, stage: str) -> pa.Table:
    return to_table([Row(id=f"{slice}/r", parent="", status="rejected", stage=stage, slice=slice)])


def test_one_run_at_a_time(out: str) -> None:
    store = Store(out)
    refused = pytest.raises(ConfigError, match=f"^{out} is being written by process {os.getpid()}")
    with locked(store), refused, locked(Store(out)):
        pass
    with locked(store):
        assert store.exists(LOCK)
    assert not store.exists(LOCK)


def test_a_bucket_that_is_not_there_is_told_and_not_made(bucket: Bucket, tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(3))
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            run_into(graph, "s3://no-such-bucket/out")
        assert str(caught.value) == (
            "s3://no-such-bucket/out cannot be written: The specified bucket does not exist; "
            "make the bucket first, or give another --out"
        )


def test_refused_credentials_are_told(bucket: Bucket, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(out)
    remedy = r"give credentials that may read and write there \(for s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY\)$"
    bucket.check_signatures("0")
    try:
        for look in (
            lambda: store.write("a", b""),
            lambda: store.create("a", b""),
            lambda: store.names(""),
            lambda: store.names_from("a", prefix="b"),
            lambda: store.exists("a"),
            lambda: store.read("a"),
            lambda: store.remove("a"),
            lambda: store.remove_files(["a"]),
            lambda: store.read_range("a", start=0, size=1),
            lambda: store.read_ranges([("a", 0, 1)]),
            lambda: store.reading("a").__enter__(),
        ):
            with pytest.raises(StoreError, match=rf"^{out}.* cannot be \w+: .*; {remedy}"):
                look()
    finally:
        bucket.check_signatures("inf")


def test_missing_credentials_are_told(bucket: Bucket, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    store = Store(f"s3://{uuid.uuid4().hex}/out")
    type(store._fs).clear_instance_cache()
    with pytest.raises(StoreError, match=r"cannot be written: Unable to locate credentials; give credentials that may"):
        Store(out).create("a", b"")


def test_a_server_that_cannot_be_reached_is_told(bucket: Bucket, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(out)
    type(store._fs).clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    lonely = Store(out)
    lonely._fs.retries = 1
    with pytest.raises(StoreError, match=r"cannot be listed: .*127\.0\.0\.1:9.*; see that it can be reached, and run"):
        lonely.names("")
    type(store._fs).clear_instance_cache()


@pytest.mark.ray
def test_ray_workers_commit_into_a_bucket(bucket: Bucket, out: str, tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, STAGES, rows=plain_rows(20))
    run_local(graph, tmp_path / "out")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        run(graph, out=out, options=RunOptions("ray"), watcher=Quiet())
    finally:
        ray.shutdown()
    assert dataset_in(bucket, out) == dataset_bytes(tmp_path / "out")
    assert verify(out) == []
