"""Disks that fill up or refuse, files that rot: told clearly, and mended by the same command."""

from __future__ import annotations

import errno
import io
import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from building import PAINT, Quiet, dataset_bytes, ledger_rows, plain_rows, run_local, toy_config, toy_graph
from chaos import running
from rings import example_count

from datagen.cli import OK, WRONG
from datagen.core.errors import StoreError
from datagen.execute import run as running_module
from datagen.execute.engines.progress_events import Summary
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, run
from datagen.shards.index import DATASET
from datagen.storage import local_files

STAGES: list[Any] = [{"use": "sift"}, {"use": "ask"}, {**PAINT, "with": {"side": 128}}]
ROWS = plain_rows(40)


@contextmanager
def _disk(place: Path, *, size: str) -> Iterator[Path]:
    """A small disk of its own at `place`; the test is skipped where this user may not mount one."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _remount(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


@pytest.mark.subprocess
@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=pytest.mark.ray)])
def test_a_disk_that_fills_up_ends_the_run_and_loses_nothing(tmp_path: Path, engine: str) -> None:
    config = toy_config(tmp_path, STAGES, rows=ROWS)
    run_local(toy_graph(tmp_path, STAGES, rows=ROWS), tmp_path / "unbroken")
    with _disk(tmp_path / "disk", size="1m") as disk:
        out = disk / "out"
        with running(config, out, words=("--engine", engine), log=tmp_path / "log") as process:
            assert process.finish() == WRONG, process.log.read_text()[-3000:]
            text = process.log.read_text()
        assert f"error: {out}/run/" in text
        assert "cannot be written: No space left on device; free some space and run the same command again" in text
        committed = _committed(out)
        assert committed
        _remount(disk, "size=64m")
        with running(config, out, words=("--engine", engine), log=tmp_path / "log") as process:
            assert process.finish() == OK, process.log.read_text()[-3000:]
        assert committed.items() <= _committed(out).items(), "what was committed is not written again"
        assert verify(str(out)) == []
        assert not list(out.rglob("*.tmp"))
        assert dataset_bytes(out) == dataset_bytes(tmp_path / "unbroken")


class _FullDisk:
    """A disk on which so many changes find room; the next write is cut off in its middle, and nothing more fits."""

    def __init__(self, room: int) -> None:
        self._room = room

    def os(self) -> SimpleNamespace:
        """A stand-in for `os`."""
        names = {name: getattr(os, name) for name in dir(os) if not name.startswith("__")}
        calls = {name: self._needing(getattr(os, name)) for name in ("mkdir", "link")}
        return SimpleNamespace(**{**names, **calls, "open": self._open, "write": self._write})

    def opened(self, descriptor: int, mode: str) -> io.BufferedIOBase:
        """In the place of the built-in `open`."""
        if mode == "rb":
            return open(descriptor, mode)
        disk = self

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                return disk._cut(super().write, data)

        return io.BufferedWriter(Raw(descriptor, "wb"), 4096)

    def _take(self) -> None:
        self._room -= 1
        if self._room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _needing(self, change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **named: Any) -> Any:
            self._take()
            return change(*words, **named)

        return call

    def _open(self, path: Any, flags: int, *words: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            self._take()
        return os.open(path, flags, *words, **named)

    def _write(self, file: int, data: Any) -> int:
        return self._cut(lambda part: os.write(file, part), data)

    def _cut(self, write: Callable[[bytes], int], data: Any) -> int:
        try:
            self._take()
        except OSError:
            write(bytes(data)[: len(data) // 2])
            raise
        return write(data)


def test_a_disk_that_fills_up_at_any_moment_of_packing_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is an older dataset, of which fewer records were accepted."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    rows = plain_rows(8)
    run_local(toy_graph(tmp_path, [{"use": "sift", "with": {"share": 0.9}}, PAINT], rows=rows), tmp_path / "packs")
    graph = toy_graph(tmp_path, [{"use": "sift"}, PAINT], rows=rows)
    run_local(graph, tmp_path / "unbroken")
    whole = dataset_bytes(tmp_path / "unbroken")
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(running_module, "finish", interrupted)
        run_local(graph, tmp_path / "packs")
    for room in itertools.count(step=60 // example_count(60)):  # all moments in `make test-all`
        out = tmp_path / f"out{room}"
        shutil.copytree(tmp_path / "packs", out)
        disk = _FullDisk(room)
        with monkeypatch.context() as patch:
            patch.setattr(local_files, "os", disk.os())
            patch.setattr(local_files, "open", disk.opened, raising=False)
            try:
                run_local(graph, out)
                break
            except StoreError as error:
                message = str(error)
        assert "No space left on device; free some space and run the same command again" in message
        assert not list(out.rglob("*.tmp"))
        if (out / DATASET).exists():
            assert verify(str(out)) == [], "the older one is whole"
        run_local(graph, out)
        assert dataset_bytes(out) == whole
    assert room > 40, "it was full at each change of a file"


def _committed(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "run" / "ledger").rglob("0*.parquet")}


@pytest.mark.subprocess
def test_an_out_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    config = toy_config(tmp_path, STAGES, rows=ROWS)
    with _disk(tmp_path / "disk", size="1m") as disk:
        _remount(disk, "ro")
        with running(config, disk / "out", words=("--engine", "local"), log=tmp_path / "log") as process:
            assert process.finish() == WRONG
            text = process.log.read_text()
    assert text.strip().endswith(
        "cannot be written: Read-only file system; give a folder that can be written, by --out"
    )


@pytest.mark.subprocess
def test_a_dataset_on_a_disk_that_was_made_read_only_can_be_verified(tmp_path: Path) -> None:
    with _disk(tmp_path / "disk", size="16m") as disk:
        run_local(toy_graph(tmp_path, STAGES, rows=ROWS), disk / "out")
        _remount(disk, "ro")
        assert verify(str(disk / "out")) == []
        with pytest.raises(StoreError, match="Read-only file system"):
            run_local(toy_graph(tmp_path, STAGES, rows=ROWS), disk / "out")


def _again(folder: Path, out: Path) -> tuple[Summary, list[str]]:
    watcher = Quiet()
    summary = run(toy_graph(folder, STAGES, rows=ROWS), out=str(out), options=RunOptions("local"), watcher=watcher)
    return summary, watcher.messages


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_ledger_entry_that_was_cut_off_is_computed_again(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, STAGES, rows=ROWS)
    run_local(graph, tmp_path / "out")
    before = dataset_bytes(tmp_path / "out")
    [entry, *_] = sorted((tmp_path / "out" / "run" / "ledger").rglob("0*.parquet"))
    _truncate(entry)
    assert verify(str(tmp_path / "out"))
    summary, output = _again(tmp_path, tmp_path / "out")
    assert summary.computed == 1, "that slice, and no other"
    assert [text for text in output if f"slice {entry.stem} is computed again" in text and "is damaged" in text]
    assert dataset_bytes(tmp_path / "out") == before
    assert verify(str(tmp_path / "out")) == []
    assert {row["status"] for row in ledger_rows(tmp_path / "out").values()} == {"accepted", "rejected"}


def test_a_part_that_was_cut_off_is_computed_again(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, STAGES, rows=ROWS), tmp_path / "out")
    before = dataset_bytes(tmp_path / "out")
    [part, *_] = sorted((tmp_path / "out" / "run" / "parts").rglob("*.tar"))
    _truncate(part)
    summary, output = _again(tmp_path, tmp_path / "out")
    assert summary.computed == 1
    assert [text for text in output if "is computed again" in text and part.name in text]
    assert dataset_bytes(tmp_path / "out") == before


def test_a_flipped_byte_in_a_shard_is_found(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, STAGES, rows=ROWS), tmp_path / "out")
    [shard, *_] = sorted((tmp_path / "out" / "shards").glob("*.tar"))
    _flip(shard)
    assert [problem for problem in verify(str(tmp_path / "out")) if shard.name in str(problem)]
