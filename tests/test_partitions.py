"""Several drivers over one OUT: each takes its share, none is in another's way, and one packs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from building import PAINT, Quiet, dataset_bytes, plain_rows, run_local, toy_config, toy_graph

from datagen.core.errors import ConfigError
from datagen.execute import run as run_module
from datagen.execute.engines.progress_events import Summary
from datagen.execute.ledger.compaction import compact
from datagen.execute.ledger.lock import PACK_LOCK, locked, packing
from datagen.execute.ledger.partitions import PackReceipt, Partition, describe_unfinished
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, run
from datagen.shards.index import DATASET, read_dataset
from datagen.storage.store import Store

ROOT = Path(__file__).resolve().parent.parent
STAGES = [{"use": "sift"}, {"use": "fan_out"}, PAINT]
SLOW = [{"use": "dawdle"}, *STAGES]


def test_shares_are_read_and_wrong_ones_refused() -> None:
    assert Partition.parse("2/4") == Partition(2, 4)
    assert str(Partition.parse(" 1/1 ")) == "1/1"
    assert [number for number in range(9) if Partition(2, 4).takes(number)] == [1, 5]
    for text in ("0/2", "3/2", "x", "1/0", "-1/2", "1/2/3", "1.5/2", ""):
        with pytest.raises(ConfigError, match=r"--slices takes I/N with I from 1 to N, such as 1/2 .*; got '"):
            Partition.parse(text)


def test_every_slice_is_in_one_share() -> None:
    for of in range(1, 6):
        taken = [[share for share in range(1, of + 1) if Partition(share, of).takes(number)] for number in range(20)]
        assert [len(shares) for shares in taken] == [1] * 20


def test_what_is_not_done_is_told_by_share() -> None:
    slices = ["000001-a", "000004-b", "000003-c"]
    assert describe_unfinished(slices, of=3) == (
        "share 1/3 (1 slice left, the first is 000003-c) and 2/3 (2 slices left, the first is 000001-a)"
    )


SELF = f"is being written by process {os.getpid()} on "


@pytest.mark.parametrize(
    ("holding", "coming", "message"),
    [
        (None, None, "wait for it, or give another --out"),
        (None, Partition(1, 2), "wait for it, or give another --out"),
        (
            Partition(1, 2),
            None,
            r"as --slices 1/2, seen \d+ s ago; wait for it, run another share of 2, or give another",
        ),
        (Partition(1, 2), Partition(1, 2), "as --slices 1/2, seen .* run another share of 2"),
        (Partition(1, 2), Partition(1, 3), "as --slices 1/2, seen .* run another share of 2"),
        (Partition(1, 2), Partition(2, 3), "as --slices 1/2, seen .* run another share of 2"),
        (Partition(1, 2), Partition(2, 2), ""),
    ],
)
def test_who_bears_whom(tmp_path: Path, holding: Partition | None, coming: Partition | None, message: str) -> None:
    store = Store(str(tmp_path))
    with ExitStack() as stack:
        stack.enter_context(locked(store, holding))
        if message:
            stack.enter_context(pytest.raises(ConfigError, match=f"^{tmp_path} {SELF}.*{message}"))
        with locked(store, coming):
            pass
    with locked(store, coming):
        pass
    assert store.names("run/locks") == []


def test_one_packs_at_a_time(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with packing(store) as first:
        with packing(Store(str(tmp_path))) as second:
            assert (first is not None, second) == (True, None)
        assert store.exists(PACK_LOCK), "the loser leaves the winner's lock"
    with packing(store) as third:
        assert third


def test_a_receipt_is_new_once_another_has_entered_it(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    before = PackReceipt(store)
    assert not before.is_new("state")
    PackReceipt(store).enter("state")
    assert before.is_new("state")
    assert not before.is_new("another")
    assert not PackReceipt(store).is_new("state")
    store.write("run/locks/packed.json", b"[1")
    assert not PackReceipt(store).is_new("state")


def run_share(folder: Path, text: str, *, rows: int = 20, watcher: Quiet | None = None) -> Summary:
    graph = toy_graph(folder, STAGES, rows=plain_rows(rows))
    return run(
        graph,
        out=str(folder / "out"),
        options=RunOptions("local", share=Partition.parse(text)),
        watcher=watcher or Quiet(),
    )


def test_the_last_share_packs_what_an_unshared_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "compact", lambda ledger, **more: compact(ledger, at_least=2, **more))
    run_local(toy_graph(tmp_path, STAGES, rows=plain_rows(20)), tmp_path / "whole")
    first = run_share(tmp_path, "3/3")
    assert (first.computed, first.slices, first.counts.sources) == (2, 2, 6)
    assert "not yet done: share 1/3 (3 slices left, the first is 000000-" in first.waits_for
    assert " and 2/3 (2 slices left, the first is 000001-" in first.waits_for
    assert not (tmp_path / "out" / DATASET).exists()
    assert run_share(tmp_path, "1/3").waits_for.endswith(")")
    last = run_share(tmp_path, "2/3")
    assert (last.waits_for, last.counts.sources, last.slices, last.computed) == ("", 20, 7, 2)
    assert dataset_bytes(tmp_path / "out") == dataset_bytes(tmp_path / "whole")
    assert verify(str(tmp_path / "out")) == []
    folder = tmp_path / "out" / "run" / "ledger" / read_dataset(Store(str(tmp_path / "out"))).fingerprint
    assert len(list(folder.glob("compact-*"))) == 3
    assert run_share(tmp_path, "1/3").computed == 0
    assert run_local(toy_graph(tmp_path, STAGES, rows=plain_rows(20)), tmp_path / "out").computed == 0


def test_a_damaged_slice_of_another_share_is_left_to_it(tmp_path: Path) -> None:
    run_share(tmp_path, "1/2")
    run_share(tmp_path, "2/2")
    before = dataset_bytes(tmp_path / "out")
    part = next(path for path in (tmp_path / "out" / "run" / "parts").rglob("*.tar") if path.name.startswith("000001"))
    part.unlink()
    found = run_share(tmp_path, "1/2").waits_for
    assert "not yet done: share 2/2 (1 slice left, the first is 000001-" in found
    assert run_share(tmp_path, "2/2").computed == 1
    assert dataset_bytes(tmp_path / "out") == before


def test_of_shares_that_end_at_once_exactly_one_packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, packed = threading.Barrier(2), []
    whole = run_module.SliceQueue.unfinished

    def unfinished(feed: Any) -> list[str]:
        gate.wait(timeout=60)
        left = whole(feed)
        gate.wait(timeout=60)
        assert left == []
        return left

    finish = run_module.finish
    monkeypatch.setattr(run_module.SliceQueue, "unfinished", unfinished)
    monkeypatch.setattr(run_module, "finish", lambda *given, **named: (packed.append(1), finish(*given, **named)))
    graph = toy_graph(tmp_path, STAGES, rows=plain_rows(20))
    lines: list[str] = []

    def share(text: str) -> None:
        found = run(
            graph, out=str(tmp_path / "out"), options=RunOptions("local", share=Partition.parse(text)), watcher=Quiet()
        )
        lines.append(found.waits_for)

    threads = [threading.Thread(target=share, args=(text,)) for text in ("1/2", "2/2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(packed) == 1
    assert sorted(bool(text) for text in lines) == [False, True]
    assert next(text for text in lines if text).startswith("all shares are done; another one ")
    assert verify(str(tmp_path / "out")) == []


def start(config: Path, out: Path, share: str) -> subprocess.Popen[str]:
    path = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    words = ["-m", "datagen", "run", str(config), "--engine", "local", "--out", str(out), "--slices", share]
    return subprocess.Popen(
        [sys.executable, *words],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.subprocess
def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, SLOW, rows=plain_rows(20)), tmp_path / "whole")
    config, out = toy_config(tmp_path, SLOW, rows=plain_rows(20)), tmp_path / "out"
    shares = [start(config, out, share) for share in ("1/2", "2/2")]
    output = [share.communicate(timeout=120) for share in shares]
    assert [share.returncode for share in shares] == [0, 0], output
    assert sorted("python -m datagen verify" in text for text, _ in output) == [False, True]
    waiting = next(text for text, _ in output if "python -m datagen verify" not in text)
    assert "the dataset is packed once all shares are done" in waiting or "all shares are done; another" in waiting
    assert dataset_bytes(out) == dataset_bytes(tmp_path / "whole")
    assert verify(str(out)) == []


@pytest.mark.subprocess
def test_a_share_that_is_killed_goes_on_and_packs(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, SLOW, rows=plain_rows(20)), tmp_path / "whole")
    config, out = toy_config(tmp_path, SLOW, rows=plain_rows(20)), tmp_path / "out"
    killed = start(config, out, "2/2")
    deadline = time.monotonic() + 60
    while not list(out.glob("run/ledger/*/000001-*.parquet")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    assert (out / "run" / "locks" / "2-of-2").exists()
    first = start(config, out, "1/2")
    text, _ = first.communicate(timeout=120)
    assert first.returncode == 0
    assert "not yet done: share 2/2 (" in text
    assert not (out / DATASET).exists()
    second = start(config, out, "2/2")
    text, _ = second.communicate(timeout=120)
    assert (second.returncode, "python -m datagen verify" in text) == (0, True)
    assert dataset_bytes(out) == dataset_bytes(tmp_path / "whole")


@pytest.mark.subprocess
def test_a_wrong_share_is_told_by_the_command(tmp_path: Path) -> None:
    wrong = start(toy_config(tmp_path, STAGES), tmp_path / "out", "3/2")
    _, text = wrong.communicate(timeout=60)
    assert (wrong.returncode, text.startswith("error: --slices takes I/N with I from 1 to N")) == (2, True)
