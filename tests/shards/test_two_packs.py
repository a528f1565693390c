"""Two runs into one OUT, one of which stood still: whatever the interleaving, the dataset is whole, and who lost is told."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from building import dataset_bytes
from hypothesis import given, settings
from hypothesis import strategies as st
from interleaving import Steps, Writer
from making import about, committed, record, streamed
from rings import example_count

from datagen.core.errors import ConfigError
from datagen.execute.ledger.lock import STALE_SECONDS, LostLockError, locked
from datagen.shards.options import OutputOptions
from datagen.shards.pack import pack
from datagen.shards.verify import verify_dataset
from datagen.storage.store import Store

OPTIONS = OutputOptions(val_fraction=0.3, shard_mb=0.02)
A_MINUTE = STALE_SECONDS + 1
SEEDS = {"one": 1, "other": 2, "third": 3}
"""Each packs the same samples in another order, so that shards of one name have other bytes."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """An OUT with the parts of some samples, which were packed before, and their rows."""
    folder = tmp_path_factory.mktemp("parts")
    rows = committed(Store(str(folder)), [record(f"r{n}", seed=n) for n in range(8)])
    _pack(folder, rows, "third")
    return folder, rows


def _pack(out: Path, rows: Any, name: str) -> None:
    with locked(Store(str(out))) as held:
        pack(held.store, streamed(rows), options=OPTIONS, about=about(8, seed=SEEDS[name]), entries=name)


@pytest.fixture(scope="module")
def alone(parts: tuple[Path, Any], tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, dict[str, bytes]]:
    """What each makes where nobody else writes."""
    found = {}
    for name in SEEDS:
        out = tmp_path_factory.mktemp(name) / "out"
        shutil.copytree(parts[0], out)
        _pack(out, parts[1], name)
        found[name] = dataset_bytes(out)
    assert len({files["shards/train-000000.tar"] for files in found.values()}) == 3
    assert len({len(files) for files in found.values()}) > 1, "one has more shards, so that others could be left over"
    return found


def _check_error(writer: Writer) -> None:
    """One that does not end well says that it lost its lock, or that it never had it."""
    if writer.error:
        assert isinstance(writer.error, LostLockError | ConfigError), writer.error
        assert "took it over" in str(writer.error) or "is being written by process" in str(writer.error)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def test_a_pack_that_stood_still_before_any_of_its_changes_spoils_nothing(
    parts: tuple[Path, Any], alone: Mapping[str, dict[str, bytes]], tmp_path: Path, steps: Steps
) -> None:
    """One stands still before its first, second, ... change, the other packs, then the one goes on."""
    stride = 1 if example_count(100) == 100 else 6
    stop, lost = 0, 0
    while True:
        out = tmp_path / str(stop)
        shutil.copytree(parts[0], out)
        one = steps.writer(lambda out=out: _pack(out, parts[1], "one"))
        one.advance(stop)
        if one.ended:
            break
        has_lock, has_packed = (out / "run/lock").exists(), dataset_bytes(out) == alone["one"]
        steps.clock.now += A_MINUTE
        _pack(out, parts[1], "other")
        one.advance()
        assert one.ended
        _check_error(one)
        if has_lock:
            assert isinstance(one.error, LostLockError)
            lost += 1
        assert dataset_bytes(out) == alone["other" if one.error or has_packed else "one"]
        assert verify_dataset(Store(str(out))) == []
        assert not list((out / "run/locks/writers").iterdir())
        shutil.rmtree(out)
        stop += stride
    assert one.error is None
    assert lost * stride > 50


MOVES = st.lists(
    st.tuples(st.sampled_from(["one", "other"]), st.integers(1, 40), st.sampled_from([0.0, A_MINUTE, A_MINUTE])),
    max_size=14,
)


@given(moves=MOVES)
@settings(max_examples=example_count(80), deadline=None)
def test_two_packs_in_any_interleaving_leave_a_whole_dataset(
    parts: tuple[Path, Any], alone: Mapping[str, dict[str, bytes]], tmp_path_factory: pytest.TempPathFactory, moves: Any
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch)
        out = tmp_path_factory.getbasetemp() / uuid.uuid4().hex
        shutil.copytree(parts[0], out)
        names = ("one", "other")
        writers = {name: steps.writer(lambda name=name: _pack(out, parts[1], name)) for name in names}
        for name, number, seconds in moves:
            if not writers[name].ended:
                writers[name].advance(number)
            steps.clock.now += seconds
        for name in names:
            if not writers[name].ended:
                writers[name].advance()
            _check_error(writers[name])
        if not all(writer.error for writer in writers.values()):
            assert dataset_bytes(out) in list(alone.values())
            assert verify_dataset(Store(str(out))) == []
        steps.clock.now += A_MINUTE
        _pack(out, parts[1], "third")
        assert dataset_bytes(out) == alone["third"]
        assert verify_dataset(Store(str(out))) == []
        shutil.rmtree(out)
