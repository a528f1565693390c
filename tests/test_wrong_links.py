"""Symbolic links, FIFOs and the like below OUT: nothing outside OUT is read into a dataset, changed or removed."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from building import PAINT, dataset_bytes, ledger_rows, plain_rows, run_local, toy_graph
from commands import call
from picture_files import noise, saved

import datagen
from datagen import cli
from datagen.core.errors import ConfigError, DatagenError, StoreError
from datagen.execute.ledger.lock import LOCK
from datagen.execute.maintain.gc import collect_garbage
from datagen.execute.maintain.repair import repair
from datagen.execute.maintain.verify import verify
from datagen.pipeline.graph_model import Graph
from datagen.shards.index import CARD, DATASET, INDEX
from datagen.sources.formats.mix.config import PartConfig
from datagen.sources.formats.mix.mix import Mix
from datagen.storage.store import Store

HANGS = 20
"""Seconds after which a read counts as hanging."""
SHARD = "shards/train-000000.tar"


@contextmanager
def _in_time() -> Iterator[None]:
    def end(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _graph(folder: Path, *, share: float = 0.3) -> Graph:
    return toy_graph(folder, [{"use": "sift", "with": {"share": share}}, PAINT | {"durable": True}], rows=plain_rows(6))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A dataset that was packed twice, so that there is something to remove, beside a victim."""
    (tmp_path / "victim").mkdir()
    run_local(_graph(tmp_path, share=0.9), tmp_path / "out")
    run_local(_graph(tmp_path), tmp_path / "out")
    return tmp_path / "out"


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _names(out: Path, *, folders: bool) -> list[str]:
    """One path of each kind: of paths that differ in digits and hashes only, the first."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_dir() == folders:
            parts = path.relative_to(out).parts
            kind = tuple("#" if any(c.isdigit() for c in part) else part for part in parts)
            found.setdefault(kind, "/".join(parts))
    return list(found.values())


COMMANDS: dict[str, Callable[[Path], object]] = {
    "run": lambda out: run_local(_graph(out.parent, share=0.5), out),
    "run again": lambda out: run_local(_graph(out.parent), out),
    "repair": lambda out: repair(str(out)),
    "gc": lambda out: collect_garbage(str(out)),
    "verify": lambda out: verify(str(out)),
    "open": lambda out: [sample.read("json") for sample in datagen.open(str(out))],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("folders", [True, False], ids=["folders", "files"])
def test_nothing_behind_a_link_is_changed_or_removed(out: Path, command: str, folders: bool) -> None:
    """Each folder or file of OUT in turn is a link to a copy of itself with a stranger's file in it."""
    whole, victim = out.with_name("whole"), out.with_name("victim")
    shutil.copytree(out, whole)
    names = _names(out, folders=folders)
    assert len(names) > 10
    for name in names:
        shutil.rmtree(out)
        shutil.copytree(whole, out)
        shutil.rmtree(victim)
        victim.mkdir()
        moved = victim / "moved"
        (out / name).rename(moved)
        if folders:
            (moved / "stranger.tar").write_text("theirs")
            (moved / "train-000009.tar").write_text("theirs")
        (out / name).symlink_to(moved)
        before = _content(victim)
        with _in_time(), suppress(DatagenError):
            COMMANDS[command](out)
        assert _content(victim) == before, name
        assert moved.exists(), name


@pytest.mark.parametrize("name", ["shards", "run", "run/ledger", "run/cache", "run/pack", "run/locks", "run/history"])
def test_a_folder_that_is_a_link_is_named_by_a_run(out: Path, name: str) -> None:
    (out / name).mkdir(exist_ok=True)
    (out / name).rename(out.parent / "victim/moved")
    (out / name).symlink_to(out.parent / "victim/moved")
    with pytest.raises(StoreError, match=f"out/{name} is a symbolic link"):
        COMMANDS["run"](out)


def test_a_link_that_a_run_writes_over_is_replaced_and_not_followed(out: Path) -> None:
    expected = dataset_bytes(out)
    for name in (DATASET, INDEX, CARD, SHARD, "run/packed.json"):
        victim = out.parent / "victim" / name.replace("/", "-")
        victim.write_text("theirs")
        (out / name).unlink()
        (out / name).symlink_to(victim)
    run_local(_graph(out.parent), out)
    assert dataset_bytes(out) == expected
    assert verify(str(out)) == []
    assert not any(path.is_symlink() for path in out.rglob("*"))
    assert set(_content(out.parent / "victim").values()) == {b"theirs"}
    assert b"theirs" not in b"".join(_content(out / "run/history").values())


@pytest.mark.parametrize("what", ["ledger entry", "part"])
def test_a_ledger_entry_or_part_that_is_a_link_is_computed_again(out: Path, what: str) -> None:
    folder = out / {"ledger entry": "run/ledger", "part": "run/parts"}[what]
    newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    chosen = min(path for path in newest.iterdir() if path.name.startswith("00000"))
    chosen.rename(out.parent / "victim/moved")
    chosen.symlink_to(out.parent / "victim/moved")
    expected = dataset_bytes(out)
    run_local(_graph(out.parent), out)
    assert verify(str(out)) == []
    assert dataset_bytes(out) == expected


def test_a_stray_link_is_removed_by_a_repair_and_not_what_it_leads_to(out: Path) -> None:
    (out.parent / "victim/file.tar").write_text("theirs")
    (out / "shards/train-000007.tar").symlink_to(out.parent / "victim/file.tar")
    (out / "shards/folder").symlink_to(out.parent / "victim")
    assert len(verify(str(out))) == 2
    assert len(repair(str(out))) == 2
    assert verify(str(out)) == []
    assert (out.parent / "victim/file.tar").read_text() == "theirs"


def test_out_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    run_local(_graph(tmp_path), tmp_path / "out")
    assert verify(str(tmp_path / "out")) == []


@pytest.fixture
def snapshot(out: Path) -> Path:
    """The dataset as the cache of a hub has it: links to files that are named by what is in them."""
    blobs, found = out.parent / "blobs", out.parent / "snapshots/one"
    blobs.mkdir()
    for number, name in enumerate(
        [DATASET, INDEX, CARD, *(f"shards/{path.name}" for path in (out / "shards").iterdir())]
    ):
        shutil.copy(out / name, blobs / str(number))
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        (found / name).symlink_to(os.path.relpath(blobs / str(number), (found / name).parent))
    return found


def test_a_snapshot_of_a_hub_is_read_and_verified(out: Path, snapshot: Path) -> None:
    linked, plain = datagen.open(str(snapshot)), datagen.open(str(out))
    assert [sample.info for sample in linked] == [sample.info for sample in plain]
    assert [sample.info for sample in pickle.loads(pickle.dumps(linked))[:2]] == [sample.info for sample in plain[:2]]
    assert {problem.file for problem in verify(str(snapshot))} == {"run/packed.json", f"run/ledger/{_fingerprint(out)}"}


def _fingerprint(out: Path) -> str:
    from datagen.shards.index import read_dataset

    return read_dataset(Store(str(out))).fingerprint


@pytest.mark.parametrize("change", ["other text", "other bytes of the same size", "after it was read", "nothing there"])
def test_a_shard_that_is_a_link_to_another_file_is_not_read(snapshot: Path, change: str) -> None:
    dataset = datagen.open(str(snapshot))
    sample = next(sample for sample in dataset if sample.shard == SHARD)
    blob = (snapshot / SHARD).resolve()
    if change == "after it was read":
        sample.read("json")
    if change == "nothing there":
        blob.unlink()
    else:
        data = b"theirs" if change == "other text" else blob.read_bytes()[:-1] + b"!"
        os.utime(blob, ns=(0, 0))
        blob.write_bytes(data)
    found = "is missing" if change == "nothing there" else "is a symbolic link to a file that is not the shard"
    with pytest.raises(StoreError, match=f"{SHARD} {found}"):
        sample.read("txt")
    assert SHARD in {problem.file for problem in verify(str(snapshot))}


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        here = os.open(path.parent, os.O_RDONLY)  # the address of a socket may have 107 bytes
        try:
            bound.bind(f"/proc/self/fd/{here}/{path.name}")
        finally:
            os.close(here)


def test_a_mix_takes_no_shard_that_is_a_link_to_another_file(out: Path) -> None:
    (out.parent / "victim/file.tar").write_bytes((out / SHARD).read_bytes()[:-1] + b"!")
    mix = Mix([PartConfig(name="one", path=str(out))], seed=1)
    assert len(list(mix.rows())) > 1
    (out / SHARD).unlink()
    (out / SHARD).symlink_to(out.parent / "victim/file.tar")
    with pytest.raises(ConfigError, match=r"is a symbolic link to a file that is not the shard.*'one' cannot be mixed"):
        list(mix.rows())


# The law is the same for each kind, and each takes as long as the FIFO.
FULL = [pytest.param(kind, marks=pytest.mark.full) for kind in ("socket", "device", "folder")]


@pytest.mark.parametrize("kind", ["FIFO", *FULL])
@pytest.mark.parametrize("command", ["run again", "repair", "gc", "verify", "open", "status", "show"])
def test_a_file_that_is_none_is_named_and_never_waited_for(
    out: Path, kind: str, command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = out.with_name("whole")
    shutil.copytree(out, whole)
    make = {"FIFO": os.mkfifo, "socket": _bind, "folder": os.mkdir}
    for name in [*_names(out, folders=False), LOCK]:
        (out / name).unlink(missing_ok=True)
        make.get(kind, lambda path: os.symlink("/dev/zero", path))(out / name)
        with _in_time():
            if command in ("status", "show"):
                assert call(command, out, *["r1"][: command == "show"], capfd=capfd).code in (cli.OK, cli.WRONG), name
            else:
                with _naming(name):
                    COMMANDS[command](out)
        shutil.rmtree(out)
        shutil.copytree(whole, out)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """If the block is refused, the message names this file, or the folder that it is in."""
    try:
        yield
    except (StoreError, ConfigError) as error:
        message = str(error)
    else:
        return
    assert name in message or name.rpartition("/")[0] in message


def test_a_fifo_in_the_place_of_a_ledger_file_costs_its_slice_alone(out: Path) -> None:
    expected = dataset_bytes(out)
    newest = max((out / "run/ledger").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    entry = min(newest.glob("000*.parquet"))
    entry.unlink()
    os.mkfifo(entry)
    with _in_time():
        assert any("is a FIFO, not a file" in str(problem) for problem in verify(str(out)))
        run_local(_graph(out.parent), out)
        assert verify(str(out)) == []
    assert dataset_bytes(out) == expected


def test_an_out_whose_config_is_gone_is_still_its_pipelines(out: Path) -> None:
    (out / "run/config.yaml").unlink()
    run_local(_graph(out.parent), out)
    (out / "run/config.yaml").unlink()
    other = toy_graph(out.parent, [PAINT], rows=plain_rows(2), pipeline="another")
    with pytest.raises(ConfigError, match="holds the output of pipeline 'toy'; give 'another' another --out"):
        run_local(other, out)
    (out / DATASET).unlink()
    with pytest.raises(StoreError, match=r"config.yaml is missing, so it does not say whose .* 'pipeline: NAME'"):
        run_local(_graph(out.parent), out)
    (out / "run/config.yaml").write_text("pipeline: toy\n")
    run_local(_graph(out.parent), out)
    assert verify(str(out)) == []


def test_a_picture_that_is_a_circle_of_links_fails_alone(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "b").mkdir(parents=True)
    (folder / "a.png").write_bytes(saved(noise(8, 8), "PNG"))
    (folder / "m.png").symlink_to("m.png")
    (folder / "n.png").symlink_to("o.png")
    (folder / "o.png").symlink_to("n.png")
    (folder / "b" / "up").symlink_to("..")
    graph = toy_graph(tmp_path, [{"use": "read_image"}, PAINT], source={"kind": "images", "path": str(folder)})
    run_local(graph, tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    assert {id: row["status"] for id, row in rows.items()} == {"a.png": "accepted"} | dict.fromkeys(
        ("m.png", "n.png", "o.png"), "failed"
    )
    assert rows["m.png"]["detail"] == "m.png: cannot be read: Too many levels of symbolic links"
