"""Notes: whoever adds one, all find it; nothing that breaks one breaks another."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.errors import StoreError
from datagen.storage import append_log as notes
from datagen.storage.append_log import LOG, AppendLog
from datagen.storage.store import Store


def key(name: object) -> str:
    return hashlib.sha256(str(name).encode()).hexdigest()


class Clock:
    """Goes on by itself, so that looking for others' notes takes some time and is due again after it."""

    now = 0.0
    step = 1e-6

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(params=["disk", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "disk":
        yield str(tmp_path)
        return
    yield f"memory://{uuid.uuid4().hex}"
    fsspec.filesystem("memory").store.clear()


def logs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name.startswith(LOG))


@pytest.mark.parametrize("folder", ["", "a/b"])
def test_each_finds_what_any_added(address: str, folder: str) -> None:
    one, other = (AppendLog(Store(address), folder) for _ in range(2))
    assert one.find(key(0)) is None
    for number in range(50):
        one.add(key(number), b"note %d" % number)
    assert [other.find(key(number)) for number in range(50)] == [b"note %d" % number for number in range(50)]
    assert other.find(key(50)) is None
    late = AppendLog(Store(address), folder)
    assert sorted(note.data for note in late.entries()) == sorted(b"note %d" % number for number in range(50))
    store = Store(address)
    assert all(note.data in store.read(note.file) for note in late.entries()), "each says where it is"


def test_a_disk_holds_one_log_of_each_writer(tmp_path: Path) -> None:
    for _ in range(3):
        writer = AppendLog(Store(str(tmp_path)), "replies")
        for number in range(20):
            writer.add(key(number), b"x")
    assert len(list((tmp_path / "replies").iterdir())) == len(logs(tmp_path)) == 3


def test_what_was_let_go_is_found_by_none(address: str) -> None:
    one, other = (AppendLog(Store(address), "") for _ in range(2))
    one.add(key("a"), b"first")
    one.add(key("b"), b"kept")
    assert other.find(key("a")) == b"first"
    other.forget(key("a"))
    other.forget(key("never there"))
    for _ in range(5):  # the name of a log decides which one is read first
        late = AppendLog(Store(address), "")
        assert (late.find(key("a")), late.find(key("b"))) == (None, b"kept")
        late.add(key("c"), b"more")
    late.add(key("a"), b"second")
    assert AppendLog(Store(address), "").find(key("a")) == b"second"


ACTIONS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["add", "forget", "find"]), st.integers(0, 3)))


@given(ACTIONS)
def test_whatever_several_do_what_is_left_is_found(actions: list[tuple[int, str, int]]) -> None:
    """Who looks finds what was added last and not let go; who looked before, something that was there."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock()
        writers = [AppendLog(Store(folder), "", clock=clock) for _ in range(3)]
        ever: dict[int, set[bytes]] = {number: set() for number in range(4)}
        left: dict[int, bytes | None] = dict.fromkeys(range(4))
        for step, (writer, action, number) in enumerate(actions):
            clock.now += 3
            if action == "add":
                writers[writer].add(key(number), data := b"%d" % step)
                ever[number].add(data)
                left[number] = data
            elif action == "forget":
                writers[writer].forget(key(number))
                left[number] = None
            else:
                found = writers[writer].find(key(number))
                assert found in ever[number] if found else left[number] is None
        late = AppendLog(Store(folder), "")
        assert {number: late.find(key(number)) for number in left} == left, "of several, the last one counts"
        writers[0].refresh()
        assert {number: writers[0].find(key(number)) for number in left} == left


SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=8)


def _written(folder: str, sizes: list[int]) -> tuple[Path, list[int]]:
    """A log with notes of these sizes, and where each ends."""
    writer = AppendLog(Store(folder), "")
    ends = []
    for number, size in enumerate(sizes):
        writer.add(key(number), bytes([65 + number]) * size)
        (log,) = logs(Path(folder))
        ends.append(log.stat().st_size)
    return log, ends


@given(SIZES, st.floats(0, 1))
def test_a_log_that_breaks_off_has_all_before_it_and_the_rest_once_it_is_there(sizes: list[int], at: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log, ends = _written(folder, sizes)
        data = log.read_bytes()
        cut = int(at * len(data))
        log.write_bytes(data[:cut])
        clock = Clock()
        reader = AppendLog(Store(folder), "", clock=clock)
        for number, (size, end) in enumerate(zip(sizes, ends, strict=True)):
            clock.now += 1
            assert reader.find(key(number)) == (bytes([65 + number]) * size if end <= cut else None)
        log.write_bytes(data)
        clock.now += 1
        assert [len(reader.find(key(number)) or b"") for number in range(len(sizes))] == sizes


@given(SIZES, st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_a_damaged_byte_costs_its_own_note_alone(sizes: list[int], at: float, flip: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log, ends = _written(folder, sizes)
        data = bytearray(log.read_bytes())
        place = int(at * len(data))
        data[place] ^= flip
        log.write_bytes(bytes(data))
        reader = AppendLog(Store(folder), "")
        hit = next(number for number, end in enumerate(ends) if place < end)
        for number, size in enumerate(sizes):
            if number != hit:
                assert reader.find(key(number)) == bytes([65 + number]) * size


@pytest.mark.parametrize("piece", [9, 100, 1000])
def test_the_next_note_is_looked_for_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    sizes = [5000, 3, 256, 2, 999]
    log, _ = _written(str(tmp_path), sizes)
    data = bytearray(log.read_bytes())
    data[20] ^= 1
    log.write_bytes(bytes(data))
    monkeypatch.setattr(notes, "_PIECE", piece)
    reader = AppendLog(Store(str(tmp_path)), "")
    assert [len(reader.find(key(number)) or b"") for number in range(len(sizes))] == [0, *sizes[1:]]
    assert [note.data and len(note.data) for note in reader.entries()] == [None, *sizes[1:]], "damage is told"


class _Full(Store):
    """A disk that is full for once in the midst of a note."""

    full = False

    def append(self, name: str, data: bytes) -> int:
        if self.full:
            self.full = False
            super().append(name, data[: len(data) // 2])
            raise StoreError("the disk is full")
        return super().append(name, data)


def test_what_follows_a_note_that_could_not_be_written_is_found(tmp_path: Path) -> None:
    store = _Full(str(tmp_path))
    writer = AppendLog(store, "")
    writer.add(key("a"), b"before")
    store.full = True
    with pytest.raises(StoreError):
        writer.add(key("b"), b"in the midst")
    writer.add(key("c"), b"after")
    writer.add(key("b"), b"again")
    for reader in (writer, AppendLog(Store(str(tmp_path)), "")):
        assert [reader.find(key(name)) for name in "abc"] == [b"before", b"again", b"after"]


def test_a_folder_may_be_copied_to_a_service_and_back(tmp_path: Path) -> None:
    AppendLog(Store(str(tmp_path / "disk")), "").add(key("disk"), b"of a disk")
    AppendLog(Store(str(tmp_path / "disk")), "").add(key("gone"), b"to be let go")
    memory = fsspec.filesystem("memory")
    root = f"/{uuid.uuid4().hex}"
    memory.put(f"{tmp_path}/disk/", f"{root}/", recursive=True)
    there = AppendLog(Store(f"memory:/{root}"), "")
    assert there.find(key("disk")) == b"of a disk"
    there.add(key("service"), b"of a service")
    assert there.find(key("gone")) == b"to be let go"
    there.forget(key("gone"))
    assert AppendLog(Store(f"memory:/{root}"), "").find(key("gone")) is None
    shutil.rmtree(tmp_path / "disk")
    memory.get(f"{root}/", f"{tmp_path}/disk/", recursive=True)
    memory.store.clear()
    back = AppendLog(Store(str(tmp_path / "disk")), "")
    assert (back.find(key("disk")), back.find(key("service"))) == (b"of a disk", b"of a service")
    assert back.find(key("gone")) is None, "let go there, it is so here"
    back.add(key("gone"), b"once more")
    late = AppendLog(Store(str(tmp_path / "disk")), "")
    assert late.find(key("gone")) == b"once more"
    back.forget(key("service"))
    assert AppendLog(Store(str(tmp_path / "disk")), "").find(key("service")) is None


class _Counting(Store):
    looks = 0

    def sizes_from(self, folder: str, *, prefix: str) -> dict[str, int]:
        self.looks += 1
        return super().sizes_from(folder, prefix=prefix)


def test_looking_for_what_others_added_takes_a_small_share_of_the_time(tmp_path: Path) -> None:
    store, clock = _Counting(str(tmp_path)), Clock()
    clock.step = 0.0005  # each look takes it, between its two questions for the time
    reader = AppendLog(store, "", clock=clock)
    start = clock.now
    for number in range(1000):
        clock.now += 0.001
        reader.find(key(number))
    assert 5 < store.looks <= (clock.now - start) / (0.0005 * 100)
    clock.step = 1
    reader.refresh()
    looks = store.looks
    clock.now += 3
    reader.find(key("late"))
    assert store.looks == looks + 1, "however long it took, others' notes are found within two seconds"


def test_threads_may_add_at_once(tmp_path: Path) -> None:
    writer, barrier = AppendLog(Store(str(tmp_path)), ""), threading.Barrier(8)

    def add(of: int) -> None:
        barrier.wait()
        for number in range(100):
            writer.add(key((of, number)), b"%d %d" % (of, number))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add, range(8)))
    for reader in (writer, AppendLog(Store(str(tmp_path)), "")):
        assert all(
            reader.find(key((of, number))) == b"%d %d" % (of, number) for of in range(8) for number in range(100)
        )


def test_a_log_that_was_removed_is_written_anew(tmp_path: Path) -> None:
    writer = AppendLog(Store(str(tmp_path)), "replies")
    writer.add(key("a"), b"a")
    shutil.rmtree(tmp_path / "replies")
    assert writer.find(key("a")) is None
    other = AppendLog(Store(str(tmp_path)), "replies")
    writer.add(key("b"), b"b")
    assert (writer.find(key("a")), writer.find(key("b")), other.find(key("b"))) == (None, b"b", b"b")


def test_no_note_is_found_under_another_key(tmp_path: Path) -> None:
    """Where a folder was removed in the midst, and something else is where a note was."""
    one, other = (AppendLog(Store(str(tmp_path)), "replies") for _ in range(2))
    one.add(key("a"), b"yes")
    assert other.find(key("a")) == b"yes"
    (log,) = logs(tmp_path)
    log.unlink()
    one.add(key("b"), b"no!")
    assert log.exists(), "at the same byte of a file of the same name"
    assert (one.find(key("a")), other.find(key("a"))) == (None, None)
    other.refresh()
    assert (one.find(key("b")), other.find(key("b"))) == (b"no!", b"no!")


class _Slow(Store):
    """A share on which threads have to meet before any goes on."""

    meet = threading.Barrier(4, timeout=20)

    def append(self, name: str, data: bytes) -> int:
        self.meet.wait()
        return super().append(name, data)


def test_threads_write_side_by_side(tmp_path: Path) -> None:
    writer = AppendLog(_Slow(str(tmp_path)), "")
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: writer.add(key(number), b"x"), range(4)))
    assert all(writer.find(key(number)) == b"x" for number in range(4))


def test_a_service_that_fails_is_no_missing_note() -> None:
    class Failing(Store):
        def find(self, name: str) -> bytes | None:
            raise StoreError(f"{name}: the service is away")

        @contextmanager
        def reading(self, name: str) -> Iterator[IO[bytes]]:
            raise StoreError(f"{name}: the service is away")
            yield

        def exists(self, name: str) -> bool:
            raise StoreError(f"{name}: the service is away")

    with pytest.raises(StoreError, match="away"):
        AppendLog(Failing("memory://nowhere"), "").find(key("a"))


def test_what_is_added_after_a_letting_go_counts_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 10**18
    monkeypatch.setattr(notes.time, "time_ns", lambda: now)
    writer = AppendLog(Store(str(tmp_path)), "")
    writer.add(key("a"), b"useless")
    writer.forget(key("a"))
    now -= 10**12  # a clock that is put right, or another machine's
    other = AppendLog(Store(str(tmp_path)), "")
    assert other.find(key("a")) is None
    other.add(key("a"), b"of use")
    assert AppendLog(Store(str(tmp_path)), "").find(key("a")) == b"of use"


def test_what_comes_and_goes_beside_them_hides_no_notes(tmp_path: Path) -> None:
    AppendLog(Store(str(tmp_path)), "").add(key("a"), b"a")
    (tmp_path / f"{LOG}{'0' * 32}").symlink_to(tmp_path / "nowhere")
    assert AppendLog(Store(str(tmp_path)), "").find(key("a")) == b"a"


def test_a_share_that_fails_while_it_is_read_is_told(tmp_path: Path) -> None:
    class Stale(Store):
        @contextmanager
        def reading(self, name: str) -> Iterator[IO[bytes]]:
            class File:
                def seek(self, *_: int) -> int:
                    return 0

                def read(self, *_: int) -> bytes:
                    raise OSError(116, "Stale file handle")

            yield File()  # type: ignore[misc]

    writer = AppendLog(Stale(str(tmp_path)), "")
    writer.add(key("a"), b"a")
    with pytest.raises(StoreError, match="Stale file handle"):
        writer.find(key("a"))
    for log in logs(tmp_path):
        log.unlink()
    assert writer.find(key("a")) is None, "it was removed"
