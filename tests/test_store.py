"""The store: whole files or none, first wins, on any filesystem."""

from __future__ import annotations

import multiprocessing
import re
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from buckets import Bucket, served_bucket

from datagen.core.errors import StoreError
from datagen.storage.store import Store


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with served_bucket() as served:
        yield served


@pytest.fixture(params=["local", "file", "memory", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "s3":
        yield Store(f"{request.getfixturevalue('bucket').address}/{uuid.uuid4().hex}/out")
        return
    address = {
        "local": str(tmp_path / "out"),
        "file": f"file://{tmp_path}/out/",
        "memory": f"memory://{uuid.uuid4().hex}/out",
    }[request.param]
    yield Store(address)
    if request.param == "memory":
        fsspec.filesystem("memory").store.clear()


def test_files_are_written_read_listed_moved_and_removed(store: Store) -> None:
    assert not store.exists("a/b.txt")
    store.write("a/b.txt", b"one")
    store.write("a/b.txt", b"two")
    store.write("a/deep/c.txt", b"")
    store.write("top.txt", b"top")
    assert store.read("a/b.txt") == b"two"
    assert store.read("a/deep/c.txt") == b""
    assert store.exists("a/b.txt")
    assert store.exists("a")
    assert store.names("a") == ["b.txt"]
    assert store.names("") == ["top.txt"]
    assert store.names("nowhere") == []
    store.move("a/b.txt", "else/where/d.txt")
    assert not store.exists("a/b.txt")
    store.write("e.txt", b"three")
    store.move("e.txt", "else/where/d.txt")
    assert store.read("else/where/d.txt") == b"three"
    store.remove("else")
    store.remove("else")
    assert not store.exists("else/where/d.txt")
    with store.reading("top.txt") as file:
        assert file.read(2) == b"to"


def test_what_is_missing_is_named(store: Store) -> None:
    for look in (
        lambda: store.read("nowhere.txt"),
        lambda: store.read_range("nowhere.txt", start=0, size=1),
        lambda: store.read_ranges([("nowhere.txt", 0, 1)]),
        lambda: store.reading("nowhere.txt").__enter__(),
    ):
        with pytest.raises(StoreError, match=r"out/nowhere\.txt is missing"):
            look()


def test_a_range_of_a_folder_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match=r"/folder cannot be read: .*Is a directory"):
        Store(str(tmp_path)).read_ranges([("folder", 0, 1)])


def test_ranges_are_exact_and_never_short(store: Store) -> None:
    store.write("a.bin", bytes(range(10)))
    store.write("b.bin", bytes(range(10, 20)))
    assert store.read_range("a.bin", start=3, size=4) == bytes([3, 4, 5, 6])
    assert store.read_range("a.bin", start=10, size=0) == b""
    assert store.read_ranges([("b.bin", 0, 2), ("a.bin", 8, 2), ("a.bin", 0, 0)]) == [b"\x0a\x0b", b"\x08\x09", b""]
    assert store.read_ranges([]) == []
    for start, found in ((8, "ends after 10 bytes, 11 were expected"), (12, "ends at byte 12 or before, 15 were")):
        with pytest.raises(StoreError, match=f"out/a.bin: {found}"):
            store.read_range("a.bin", start=start, size=3)
        with pytest.raises(StoreError, match=f"out/a.bin: {found}"):
            store.read_ranges([("b.bin", 0, 2), ("a.bin", start, 3)])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_write_that_breaks_off_leaves_nothing(store: Store, error: type[BaseException]) -> None:
    store.write("a/old.txt", b"old")
    for name in ("a/new.txt", "a/old.txt"):
        with pytest.raises(error):
            _break_off(store, name, error)
    assert store.names("a") == ["old.txt"]
    assert store.read("a/old.txt") == b"old"


def _break_off(store: Store, name: str, error: type[BaseException]) -> None:
    with store.writing(name) as file:
        file.write(b"half")
        raise error


@pytest.mark.parametrize("case", ["below a file", "no such place", "name too long", "a file"])
@pytest.mark.parametrize("how", ["write", "writing", "create", "move"])
def test_an_address_that_cannot_be_written_is_told(tmp_path: Path, case: str, how: str) -> None:
    (tmp_path / "file").write_text("mine")
    address, why = {
        "below a file": (tmp_path / "file" / "out", "(Not a directory|File exists)"),
        "no such place": (Path("/proc/datagen/out"), "No such file or directory"),
        "name too long": (tmp_path / ("n" * 300), "File name too long"),
        "a file": (tmp_path / "file", ""),
    }[case]
    expected = f"^{address} is a file, not a folder; give another --out$"
    if why:
        expected = f"^{address}/run/a.txt cannot be written: {why}; give a folder that can be written, by --out$"
    store = Store(str(address))
    with pytest.raises(StoreError, match=expected):
        _write_by(store, how)
    assert (tmp_path / "file").read_text() == "mine"


def _write_by(store: Store, how: str) -> None:
    if how == "writing":
        with store.writing("run/a.txt") as file:
            file.write(b"")
    elif how == "move":
        store.move("b.txt", "run/a.txt")
    else:
        getattr(store, how)("run/a.txt", b"")


def test_a_file_in_the_place_of_a_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="file is a file, not a folder; give another --out"):
        Store(str(tmp_path / "file")).names("")


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    store = Store(str(tmp_path))
    for look in (lambda: store.read("folder"), lambda: store.reading("folder").__enter__()):
        with pytest.raises(StoreError, match="/folder cannot be read: Is a directory"):
            look()


def test_sizes_are_those_of_files_alone(store: Store) -> None:
    store.write("a/b.txt", b"four")
    store.write("a/a.txt", b"")
    store.write("a/deep/c.txt", b"x")
    assert store.sizes("a") == {"a.txt": 0, "b.txt": 4}
    assert store.sizes("nowhere") == {}


def test_a_file_appears_only_when_it_is_whole(store: Store) -> None:
    with store.writing("a/b.txt") as file:
        file.write(b"half")
        assert not store.exists("a/b.txt")
        file.write(b" and half")
    assert store.read("a/b.txt") == b"half and half"
    assert store.names("a") == ["b.txt"]


def test_create_is_first_wins_and_leaves_nothing_else(store: Store) -> None:
    assert store.create("a/once.txt", b"first")
    assert not store.create("a/once.txt", b"second")
    assert store.read("a/once.txt") == b"first"
    assert store.names("a") == ["once.txt"]


def test_files_are_found_by_how_they_begin(store: Store) -> None:
    for name in ("a/one-1", "a/one-2", "a/two", "a/one/deep"):
        store.write(name, b"x")
    assert store.names_from("a", prefix="one-") == ["one-1", "one-2"]
    assert store.names_from("a", prefix="none") == store.names_from("nowhere", prefix="one") == []


def test_many_files_are_read_at_once_and_those_that_are_missing_named(store: Store) -> None:
    store.write("a.txt", b"one")
    store.write("b.txt", b"")
    one, none, empty = store.read_many(["a.txt", "nowhere.txt", "b.txt"])
    assert (one, empty) == (b"one", b"")
    assert isinstance(none, StoreError)
    assert str(none).endswith("out/nowhere.txt is missing")
    assert store.read_many([]) == []


def test_many_files_are_removed_at_once(store: Store) -> None:
    for name in ("a/1", "a/2", "a/3"):
        store.write(name, b"x")
    store.remove_files(["a/1", "a/3", "a/4"])
    store.remove_files([])
    assert store.names("a") == ["2"]


def test_what_others_write_is_seen_at_once(store: Store) -> None:
    other = Store(store.address)
    assert (store.names("a"), store.exists("a/b")) == ([], False)
    other.write("a/b", b"x")
    assert (store.names("a"), store.exists("a/b"), store.exists("a")) == (["b"], True, True)
    other.remove("a/b")
    assert (store.names("a"), store.exists("a/b")) == ([], False)


def test_an_address_of_no_kind_that_is_known_is_told() -> None:
    with pytest.raises(StoreError, match=r"^odd://out cannot be opened: .*give a folder, or an address such as s3://"):
        Store("odd://out")


@pytest.mark.parametrize(("address", "remedy"), [("s3://b/out", "pip install 'datagen[s3]'"), ("oci://b/out", "ocifs")])
def test_a_package_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, address: str, remedy: str) -> None:
    known = sys.modules["fsspec.registry"]._registry  # the name in the package is a view of it
    monkeypatch.delitem(known, "s3", raising=False)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(StoreError, match=f"^{address} cannot be opened: .*{re.escape(remedy)}"):
        Store(address)


ROUNDS, RACERS = 40, 4


def test_of_threads_that_create_one_file_one_wins(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    won: list[list[int]] = [[] for _ in range(ROUNDS)]
    gate = threading.Barrier(RACERS)

    def race(racer: int) -> None:
        for number in range(ROUNDS):
            gate.wait()
            if store.create(f"{number}.txt", b"%d" % racer * 5000):
                won[number].append(racer)

    threads = [threading.Thread(target=race, args=(racer,)) for racer in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, winners in enumerate(won):
        assert len(winners) == 1
        assert store.read(f"{number}.txt") == b"%d" % winners[0] * 5000
    assert len(store.names("")) == ROUNDS


@pytest.mark.subprocess
def test_of_processes_that_create_one_file_one_wins(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate, results = context.Barrier(2), context.Queue()
    processes = [context.Process(target=_race, args=(str(tmp_path), gate, results, racer)) for racer in range(2)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    wins = dict(found)
    for number in range(ROUNDS):
        assert (number in wins[0]) != (number in wins[1])
        assert Store(str(tmp_path)).read(f"{number}.txt") == (b"0" if number in wins[0] else b"1")


def _race(
    address: str, gate: threading.Barrier, results: multiprocessing.Queue[tuple[int, set[int]]], racer: int
) -> None:
    store = Store(address)
    won = set()
    for number in range(ROUNDS):
        gate.wait(timeout=60)
        if store.create(f"{number}.txt", b"%d" % racer):
            won.add(number)
    results.put((racer, won))


def test_a_local_file_can_be_added_to(store: Store) -> None:
    if not store.appends:
        return
    assert [store.append("a/b", b"one"), store.append("a/b", b"two")] == [0, 3]
    assert store.read("a/b") == b"onetwo"
    store.write("a/c", b"1")
    assert store.sizes_from("a", prefix="") == {"b": 6, "c": 1}
    assert (store.sizes_from("a", prefix="c"), store.sizes_from("none", prefix="")) == ({"c": 1}, {})
    store.write("file", b"")
    with pytest.raises(StoreError, match="cannot be written"):
        store.append("file/b", b"one")
