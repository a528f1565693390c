"""Two runs never write one OUT at once; a lock that a dead run left does not count."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from subprocess import PIPE

import pytest
from building import PAINT, plain_rows, run_local, toy_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from interleaving import Steps
from rings import example_count
from stepwise import stepwise_os

from datagen.core.errors import ConfigError, StoreError
from datagen.execute.ledger import lock
from datagen.execute.ledger.lock import CLAIMS, LOCK, STALE_SECONDS, HeldLock, LostLockError, holders, locked, packing
from datagen.execute.ledger.partitions import Partition
from datagen.execute.ledger.process_identity import ProcessIdentity
from datagen.storage import local_files
from datagen.storage.local_files import ExpelledError
from datagen.storage.store import Store


def _leave(folder: Path, **changed: object) -> None:
    signed = {**ProcessIdentity.own()._asdict(), "seen": time.time(), **changed}
    Store(str(folder)).write(LOCK, json.dumps(signed).encode())


def _pid_that_is_gone() -> int:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    return ended.pid


def test_a_second_run_into_one_out_is_refused(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(2))
    with locked(Store(str(tmp_path / "out"))), pytest.raises(ConfigError) as caught:
        run_local(graph, tmp_path / "out")
    message = str(caught.value)
    assert f"is being written by process {os.getpid()} on {socket.gethostname()}, seen 0 s ago" in message
    assert message.endswith("wait for it, or give another --out")


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(2))
    run_local(graph, tmp_path / "out")
    assert not (tmp_path / "out" / LOCK).exists()
    run_local(graph, tmp_path / "out")


@pytest.mark.parametrize(
    "case", [pytest.param("a process that is gone", marks=pytest.mark.subprocess), "not seen for long", "torn"]
)
def test_a_dead_lock_is_taken_over(tmp_path: Path, case: str) -> None:
    if case == "a process that is gone":
        _leave(tmp_path, pid=_pid_that_is_gone())
    elif case == "not seen for long":
        _leave(tmp_path, host="elsewhere", seen=time.time() - STALE_SECONDS - 1)
    else:
        Store(str(tmp_path)).write(LOCK, b'{"host": "els')
    with locked(Store(str(tmp_path))):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


@pytest.mark.subprocess
def test_a_run_on_another_machine_counts_while_it_is_seen(tmp_path: Path) -> None:
    _leave(tmp_path, host="elsewhere", boot="another", pid=_pid_that_is_gone())
    with pytest.raises(ConfigError, match="on elsewhere, seen"), locked(Store(str(tmp_path))):
        pass


def test_a_holder_is_seen_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.05)
    with locked(Store(str(tmp_path))):
        first = json.loads((tmp_path / LOCK).read_text())["seen"]
        deadline = time.monotonic() + 10
        while json.loads((tmp_path / LOCK).read_text())["seen"] == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.subprocess
@pytest.mark.parametrize(
    ("changed", "is_dead"),
    [
        pytest.param({}, True, id="here"),
        pytest.param({"pid_namespace": "pid:[1]"}, False, id="in another container of the same host name"),
        pytest.param({"boot": "another"}, False, id="on another machine of the same name"),
        pytest.param({"boot": "", "pid_namespace": ""}, False, id="who knows where"),
    ],
)
def test_a_process_that_is_gone_frees_its_lock_at_once_only_where_it_can_be_known(
    tmp_path: Path, changed: dict[str, str], is_dead: bool
) -> None:
    _leave(tmp_path, pid=_pid_that_is_gone(), **changed)
    assert bool(holders(Store(str(tmp_path)))) != is_dead
    with nullcontext() if is_dead else pytest.raises(ConfigError, match="is being written"):  # noqa: SIM117
        with locked(Store(str(tmp_path))):
            pass


def test_another_process_that_has_the_number_now_does_not_count(tmp_path: Path) -> None:
    _leave(tmp_path, started="1")
    with locked(Store(str(tmp_path))):
        pass


@pytest.mark.subprocess
def test_a_process_that_ended_and_was_not_waited_for_does_not_count(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    _leave(tmp_path, pid=ended.pid, started="")
    with locked(Store(str(tmp_path))):
        pass
    ended.wait()


@pytest.mark.parametrize("offset", [STALE_SECONDS + 1, 1e9])
def test_a_lock_dated_in_the_future_bars_nobody_for_longer_than_its_age(tmp_path: Path, offset: float) -> None:
    _leave(tmp_path, boot="another", seen=time.time() + offset)
    with locked(Store(str(tmp_path))):
        pass


class _Clock:
    now = 1e9

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    found = _Clock()
    monkeypatch.setattr(lock, "time", found)
    return found


def _lose(store: Store, clock: _Clock, *, ends: bool, jump: float = STALE_SECONDS + 1) -> HeldLock:
    """Hold the lock, let another process take it over, and renew it then; that one may have ended by then."""
    with locked(store) as held:
        clock.now += jump
        with locked(Store(store.address)) as other:
            other.store.write("theirs", b"1")
            if not ends:
                held.renew()
        held.renew()
        held.check()
    return held


@pytest.mark.parametrize("ends", [True, False])
def test_a_run_that_lost_its_lock_notices_it_when_it_renews_and_says_so(
    tmp_path: Path, clock: _Clock, ends: bool
) -> None:
    with pytest.raises(LostLockError, match="this run lost its lock, and another process took it over"):
        _lose(Store(str(tmp_path)), clock, ends=ends)
    assert not (tmp_path / LOCK).exists()
    assert holders(Store(str(tmp_path))) == []


@pytest.mark.parametrize("jump", [-86400, STALE_SECONDS + 1], ids=["back", "ahead"])
def test_a_clock_that_jumps_frees_a_lock_until_it_is_renewed_and_no_longer(
    tmp_path: Path, clock: _Clock, jump: float
) -> None:
    store = Store(str(tmp_path))
    with locked(store) as held:
        clock.now += jump
        held.renew()
        with pytest.raises(ConfigError, match=f"is being written by process {os.getpid()} on .*, seen 0 s ago"):
            locked(store).__enter__()
        held.store.write("mine", b"1")
    with pytest.raises(LostLockError):
        _lose(store, clock, ends=False, jump=jump)
    assert (tmp_path / "theirs").exists()


def test_who_took_the_lock_over_is_named(tmp_path: Path, clock: _Clock) -> None:
    store = Store(str(tmp_path))
    refusal = pytest.raises(LostLockError, match=f"and process {os.getpid()} on {socket.gethostname()} took it over")
    with ExitStack() as later, refusal, locked(store) as held:
        clock.now += STALE_SECONDS + 1
        later.enter_context(locked(Store(store.address)))
        held.store.write("mine", b"1")
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("change", ["write", "writing", "create", "remove", "remove folder", "move", "remove_files"])
@pytest.mark.parametrize("kind", ["disk", "bucket"])
def test_a_writer_that_was_expelled_changes_nothing(tmp_path: Path, change: str, kind: str) -> None:
    base = Store(str(tmp_path) if kind == "disk" else f"memory://{uuid.uuid4().hex}/out")
    base.write("a/b", b"theirs")
    store = base.admit("f" * 32)
    changes = {
        "write": lambda: store.write("a/b", b"mine"),
        "writing": lambda: _write_slowly(store),
        "create": lambda: store.create("a/c", b"mine"),
        "remove": lambda: store.remove("a/b"),
        "remove folder": lambda: store.remove("a"),
        "move": lambda: store.move("a/b", "a/c"),
        "remove_files": lambda: store.remove_files(["a/b"]),
    }
    base.expel("f" * 32)
    with pytest.raises(ExpelledError):
        changes[change]()
    assert (base.names("a"), base.read("a/b")) == (["b"], b"theirs")
    assert base.writers() == []


@pytest.mark.parametrize("is_expelled", [False, True])
def test_a_disk_that_is_mounted_below_out_is_written_after_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_expelled: bool
) -> None:
    base = Store(str(tmp_path))
    base.write("a/b", b"theirs")
    base.write("a/deep/c", b"theirs")
    store = base.admit("f" * 32)
    module = stepwise_os(lambda: None)

    def between_disks(call: Callable[..., None]) -> Callable[..., None]:
        def refuse(one: str, other: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
            if os.fstat(src_dir_fd).st_ino != os.fstat(dst_dir_fd).st_ino:
                raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
            call(one, other, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

        return refuse

    module.rename, module.link = between_disks(os.rename), between_disks(os.link)
    monkeypatch.setattr(local_files, "os", module)
    changes: list[Callable[[], object]] = [
        lambda: store.write("a/b", b"mine"),
        lambda: _write_slowly(store),
        lambda: store.create("a/d", b"mine"),
        lambda: store.move("a/d", "a/e"),
        lambda: store.remove("a/deep"),
    ]
    if is_expelled:
        base.expel("f" * 32)
    for change in changes:
        with pytest.raises(ExpelledError) if is_expelled else nullcontext():
            change()
    if is_expelled:
        assert (base.read("a/b"), base.names("a"), base.folders("a")) == (b"theirs", ["b"], ["deep"])
    else:
        assert (base.read("a/b"), base.names("a"), base.folders("a")) == (b"mine", ["b", "e"], [])
        assert not store.create("a/e", b"other")


def test_a_folder_of_a_writer_that_cannot_be_emptied_ends_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a network share, where a file that is open is kept under another name."""
    base = Store(str(tmp_path))
    store = base.admit("f" * 32)
    monkeypatch.setattr(local_files, "_TRIES", 3)
    monkeypatch.setattr(local_files.shutil, "rmtree", lambda *_, **__: None)
    base.expel("f" * 32)
    with pytest.raises(ExpelledError):
        store.write("a", b"mine")
    assert base.names("") == []


def _write_slowly(store: Store) -> None:
    with store.writing("a/b") as file:
        file.write(b"mine")


def test_what_was_begun_before_the_writer_was_expelled_never_appears(tmp_path: Path) -> None:
    base = Store(str(tmp_path))
    store = base.admit("f" * 32)
    with pytest.raises(ExpelledError), store.writing("a/b") as file:  # noqa: PT012 - the fault is in between
        file.write(b"mine")
        base.expel("f" * 32)
    assert base.names("a") == []


def test_a_disk_that_is_full_when_the_lock_is_renewed_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with locked(Store(str(tmp_path))) as held:
        with monkeypatch.context() as patch:
            patch.setattr(Store, "write", _raise_full)
            held.renew()
        held.renew()
        held.check()


def _raise_full(*_: object) -> None:
    raise StoreError("no space left")


def test_the_locks_of_dead_shares_are_removed_by_a_run_over_all_slices(tmp_path: Path, clock: _Clock) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(LostLockError), locked(store, Partition(1, 2)), packing(store) as pack:  # noqa: PT012
        clock.now += STALE_SECONDS + 1
        with locked(Store(store.address)):
            assert pack is not None
            with pytest.raises(ExpelledError):
                pack.store.write("dataset.json", b"")
        assert [path.name for path in (tmp_path / "run/locks").rglob("*") if path.is_file()] == []


def test_a_lock_that_was_removed_by_hand_and_taken_again_is_lost(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(LostLockError), locked(store) as held:  # noqa: PT012
        (tmp_path / LOCK).unlink()
        with locked(Store(store.address)):
            held.renew()
            assert len(holders(store)) == 1
            held.check()


def test_a_damaged_lock_is_taken_over_and_whoever_had_it_is_expelled(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with pytest.raises(LostLockError), locked(store) as held:  # noqa: PT012
        (tmp_path / LOCK).write_bytes(b"{")
        with locked(Store(store.address)):
            held.store.write("mine", b"")


@pytest.mark.parametrize("token", ["../../../victim", "", "a" * 31, "/etc", 5, None])
def test_a_lock_with_a_deceiving_token_removes_nothing_elsewhere(tmp_path: Path, token: object) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "out/run/locks/writers/keep").mkdir(parents=True)
    _leave(tmp_path / "out", seen=0, token=token)
    with locked(Store(str(tmp_path / "out"))):
        pass
    assert (tmp_path / "victim").is_dir()
    assert (tmp_path / "out/run/locks/writers/keep").is_dir()


def test_claims_that_name_each_other_end(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    one, other = "a" * 32, "b" * 32
    _leave(tmp_path, seen=0, token=one)
    for claim, token in ((one, other), (other, one)):
        store.write(f"{CLAIMS}/lock.{claim}", json.dumps({"host": "x", "pid": 1, "seen": 0, "token": token}).encode())
    with pytest.raises(ConfigError, match="again and again"), locked(store):
        pass


TURNS = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12), st.booleans()), max_size=24)


@given(turns=TURNS)
@settings(max_examples=example_count(100), deadline=None)
def test_of_any_number_that_take_over_one_dead_lock_at_most_one_can_write(
    turns: list[tuple[int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each adds to a counter in three steps, which would lose a count if two could write at once."""
    out = tmp_path_factory.mktemp("out")
    _leave(out, seen=0)
    store = Store(str(out))
    store.write("count", b"0")

    def add() -> None:
        with locked(Store(str(out))) as held:
            for _ in range(3):
                number = int(held.store.read("count"))
                held.store.write("claimed", str(number + 1).encode())
                held.store.write("count", str(number + 1).encode())
                done.append(number + 1)

    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch)
        writers = [steps.writer(add) for _ in range(3)]
        for number, many, passes in turns:
            if not writers[number].ended:
                writers[number].advance(many)
            steps.clock.now += (STALE_SECONDS + 1) * passes
        for writer in writers:
            if not writer.ended:
                writer.advance()
            assert writer.error is None or isinstance(writer.error, ConfigError | LostLockError)
    assert sorted(done) == list(range(1, len(done) + 1)), "a count is lost or twice there, so that two could write"
    assert int(store.read("count")) == len(done)


@pytest.mark.subprocess
@pytest.mark.parametrize("continues", ["while the other runs", "when the other has ended"])
def test_a_process_that_is_stopped_loses_its_lock_and_says_so(tmp_path: Path, continues: str) -> None:
    ready, out = tmp_path / "ready", tmp_path / "out"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out), str(ready)], stdout=PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        process.send_signal(signal.SIGSTOP)
        path = out / LOCK
        path.write_text(json.dumps({**json.loads(path.read_text()), "seen": time.time() - STALE_SECONDS}))
        with locked(Store(str(out))) as held:
            if continues == "while the other runs":
                ready.touch()
                process.send_signal(signal.SIGCONT)
                assert process.wait(30) == 7
            held.store.write("theirs", b"1")
        ready.touch()
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 7
    assert (out / "theirs").exists()
    assert not (out / "mine").exists()


HOLD = """
import os, sys, time
from datagen.execute.ledger.lock import LostLockError, locked
from datagen.storage.store import Store
try:
    with locked(Store(sys.argv[1])) as held:
        print("held", flush=True)
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.01)
        held.store.write("mine", b"1")
except LostLockError as error:
    sys.exit(7)
"""
