"""Shards of a bucket are copied once, checked, and read from the copy."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest
from making import packed, record

from datagen.core.errors import StoreError
from datagen.shards.index import read_dataset
from datagen.shards.reader import open_dataset
from datagen.storage.store import Store

ADDRESS = "memory://cached/out"


@pytest.fixture
def bucket() -> Iterator[Store]:
    store = Store(ADDRESS)
    packed(store, [record(f"r{number}", masks=1, seed=number) for number in range(6)])
    yield store
    fsspec.filesystem("memory").rm("/cached", recursive=True)


def all_members(cache: str = "") -> list[dict[str, bytes]]:
    return [sample.read_all() for sample in open_dataset(ADDRESS, cache=cache)]


def test_what_is_read_from_the_copy_is_what_the_bucket_has(bucket: Store, tmp_path: Path) -> None:
    expected = all_members()
    assert all_members(str(tmp_path / "cache")) == expected
    shards = read_dataset(bucket).shards
    assert {path.name for path in (tmp_path / "cache").glob("*.tar")} == {f"{shard.sha256}.tar" for shard in shards}
    for shard in shards:
        fsspec.filesystem("memory").rm(f"/cached/out/{shard.path}")
    assert all_members(str(tmp_path / "cache")) == expected, "the bucket's shards are not read again"
    copy = pickle.loads(pickle.dumps(open_dataset(ADDRESS, cache=str(tmp_path / "cache"))))
    assert [sample.read_all() for sample in copy] == expected, "nor by a worker"


def test_readers_that_begin_together_copy_a_shard_once(
    bucket: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    reading = Store.reading
    monkeypatch.setattr(Store, "reading", lambda store, path: opened.append(path) or reading(store, path))  # type: ignore[func-returns-value]
    dataset = open_dataset(ADDRESS, cache=str(tmp_path))
    with ThreadPoolExecutor(6) as pool:
        read = list(pool.map(lambda sample: sample.read_all(), dataset))
    assert sorted(opened) == sorted(shard.path for shard in read_dataset(bucket).shards)
    assert read == all_members()


def test_a_copy_that_broke_off_is_made_anew(bucket: Store, tmp_path: Path) -> None:
    for shard in read_dataset(bucket).shards:
        (tmp_path / f"{shard.sha256}.tar").write_bytes(b"half of it")
        (tmp_path / f"{shard.sha256}.partial").write_bytes(b"half of it")
    assert all_members(str(tmp_path)) == all_members()
    assert not list(tmp_path.glob("*.partial"))


def test_a_shard_that_is_not_what_the_index_lists_is_refused(bucket: Store, tmp_path: Path) -> None:
    files = fsspec.filesystem("memory")
    path = read_dataset(bucket).shards[0].path
    data = bytearray(files.cat(f"/cached/out/{path}"))
    data[600] ^= 1
    files.pipe(f"/cached/out/{path}", bytes(data))
    with pytest.raises(StoreError, match=r"has another SHA-256 than dataset\.json lists; `python -m datagen verify"):
        all_members(str(tmp_path))
    assert not [name for name in tmp_path.iterdir() if name.suffix != ".lock"]


def test_a_folder_that_cannot_be_written_is_named(bucket: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StoreError, match=r"file/cache: shard .* cannot be stored there: Not a directory; choose another"
    ):
        all_members(str(tmp_path / "file" / "cache"))


def test_shards_on_this_machine_are_not_copied(tmp_path: Path) -> None:
    packed(Store(str(tmp_path / "out")), [record("a")])
    sample = open_dataset(str(tmp_path / "out"), cache=str(tmp_path / "cache"))[0]
    assert sample.read_all()
    assert not (tmp_path / "cache").exists()
