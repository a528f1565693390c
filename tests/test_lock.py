"""Two runs never write one OUT at once; a lock that a dead run left does not count."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from building import PAINT, plain_rows, run_local, toy_graph

from datagen.core.errors import ConfigError
from datagen.execute.ledger import lock
from datagen.execute.ledger.lock import LOCK, STALE_SECONDS, locked
from datagen.storage.store import Store


def _leave(folder: Path, **changed: object) -> None:
    signed = {"host": socket.gethostname(), "pid": os.getpid(), "seen": time.time(), **changed}
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
    _leave(tmp_path, host="elsewhere", pid=_pid_that_is_gone())
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
def test_of_two_that_take_over_one_dead_lock_the_earlier_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _leave(tmp_path, pid=_pid_that_is_gone())
    monkeypatch.setattr(lock.time, "sleep", lambda _: _leave(tmp_path, token="the other's"))
    with pytest.raises(ConfigError, match="is being written by process"), locked(Store(str(tmp_path))):
        pass
