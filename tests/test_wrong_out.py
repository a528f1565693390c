"""What lies under OUT, damaged, mistaken for something else, or made to deceive."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import PAINT, plain_rows, run_local, toy_config, toy_graph
from commands import call, refused

import datagen
from datagen import cli
from datagen.core.errors import SetupError, StoreError
from datagen.core.fields import catalogue
from datagen.execute.ledger.lock import LOCK
from datagen.execute.reuse.answer_cache import AnswerCache
from datagen.shards.index import DATASET, INDEX
from datagen.shards.reader import open_dataset
from datagen.storage.store import Store

CONTROL = "\x1b[2J"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dataset of four slices, its config, and what it must not reach."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "victim").mkdir()
    (folder / "victim" / "file").write_text("mine")
    run_local(toy_graph(folder, [{"use": "sift"}, PAINT], rows=plain_rows(12)), folder / "out")
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """The dataset, in a copy of the folder that the test may damage."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "out"


def _victim_is_whole(out: Path) -> bool:
    return (out.parent / "victim" / "file").read_text() == "mine"


@pytest.mark.parametrize("command_name", ["run", "plan", "verify", "repair", "show", "retry", "gc", "open"])
@pytest.mark.parametrize("kind", ["missing", "empty", "file", "loop", "scheme", "no address", "bare scheme"])
def test_an_out_that_is_none_is_told_by_every_command(
    tmp_path: Path, kind: str, command_name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    out = {"scheme": "sss://bucket/x", "no address": "://", "bare scheme": "s3://"}.get(kind, str(tmp_path / kind))
    if command_name == "open":
        with pytest.raises(StoreError, match=r".+"):
            datagen.open(out)
        return
    config = toy_config(tmp_path, [PAINT])
    words: dict[str, list[Any]] = {
        "run": ["run", config, "--engine", "local", "--out", out],
        "plan": ["plan", config, "--out", out],
        "verify": ["verify", out],
        "repair": ["verify", out, "--repair"],
        "show": ["show", out, "r1"],
        "retry": ["retry", out, "--engine", "local"],
        "gc": ["gc", out],
    }
    result = call(*words[command_name], capfd=capfd)
    if command_name in ("run", "plan") and kind in ("missing", "empty"):
        assert result.code == cli.OK
    elif command_name == "plan" and kind == "loop":
        assert result.code in (cli.OK, cli.WRONG), "nothing is read from it"
    else:
        assert result.code == cli.WRONG, result
        assert result.err.startswith("error: ")


def _edited(path: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    found = json.loads(path.read_text())
    edit(found)
    path.write_text(json.dumps(found))


@pytest.mark.parametrize("path", ["../victim/file", "/etc/hostname", "shards/../../victim/file", "run/config.yaml", ""])
def test_a_dataset_that_lists_files_elsewhere_is_refused(
    out: Path, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _edited(out / DATASET, lambda found: found["shards"][0].update(path=path))
    for words in (["verify", out], ["show", out, "r1"]):
        assert "dataset.json is damaged at shards.0.path" in refused(*words, capfd=capfd)
    with pytest.raises(StoreError, match=r"damaged at shards\.0\.path"):
        open_dataset(str(out))
    call("verify", out, "--repair", capfd=capfd)
    assert _victim_is_whole(out)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda found: found.update(shards=[{}]), "dataset.json is damaged at shards.0.path"),
        (lambda found: found["shards"][0].update(samples=-1), "dataset.json is damaged at shards.0.samples"),
        (lambda found: found["shards"][0].update(samples=10**30), "index.parquet is damaged: it has"),
        (lambda found: found["shards"][0].update(bytes=-9), "dataset.json is damaged at shards.0.bytes"),
        (lambda found: found.update(format=CONTROL * 999), "has format '\\x1b[2J"),
        (lambda found: found.update(pipeline=7), "dataset.json is damaged at pipeline"),
        (lambda found: found.update({CONTROL: 1}), "dataset.json is damaged at "),
    ],
)
def test_a_dataset_json_that_contradicts_itself_is_told(
    out: Path, edit: Callable[[dict[str, Any]], Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _edited(out / DATASET, edit)
    with pytest.raises(StoreError) as caught:
        open_dataset(str(out))
    assert message in str(caught.value).replace(CONTROL, repr(CONTROL)[1:-1])
    assert len(str(caught.value)) < 1000
    assert call("verify", out, capfd=capfd).code in (cli.BROKEN, cli.WRONG)


@pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"NaN", b"1" * 5000])
@pytest.mark.parametrize("name", [DATASET, "run/packed.json", "run/code.json", "run/last.json", LOCK])
def test_json_that_is_too_deep_or_none_is_told(
    out: Path, name: str, data: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    (out / name).write_bytes(data)
    call("verify", out, capfd=capfd)
    call("verify", out, "--repair", capfd=capfd)
    config = out.parent / "toy.yaml"
    call("plan", config, "--out", out, capfd=capfd)
    assert call("run", config, "--engine", "local", "--out", out, capfd=capfd).code == cli.OK
    assert call("verify", out, capfd=capfd).code == cli.OK


def _index(out: Path, edit: Callable[[list[dict[str, Any]]], Any]) -> None:
    table = pq.read_table(io.BytesIO((out / INDEX).read_bytes()))
    rows = table.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out / INDEX)


def _placed(**place: Any) -> Callable[[list[dict[str, Any]]], Any]:
    return lambda rows: rows[0]["members"][0].update(place)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: rows[0].update(shard="../victim/file"), "it speaks of shards that dataset.json does not list"),
        (lambda rows: rows[0].update(shard=None), "it has empty cells"),
        (lambda rows: rows[0].update(members=None), "it has empty cells"),
        (_placed(offset=-600), "a member lies outside its sample or shard"),
        (_placed(size=-1), "a member lies outside its sample or shard"),
        (_placed(size=2**62), "a member lies outside its sample or shard"),
        (_placed(offset=2**62, size=2**62), "overflow"),
        (_placed(offset=None), "a member lies outside its sample or shard"),
        (lambda rows: rows[0].update(offset=-512), "a sample lies outside its shard"),
        (lambda rows: rows[0].update(size=2**40), "a sample lies outside its shard"),
        (lambda rows: rows[0].update(offset=2**62, size=2**62), "overflow"),
        (lambda rows: rows[0].update(size=None), "it has empty cells"),
        (lambda rows: rows[0].update(size=512), "a member lies outside its sample or shard"),
    ],
)
def test_an_index_that_points_elsewhere_is_refused(
    out: Path, edit: Callable[[list[dict[str, Any]]], Any], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    _index(out, edit)
    with pytest.raises(StoreError, match=r"index\.parquet is damaged: .*; run the pipeline into it again") as caught:
        open_dataset(str(out))
    assert message in str(caught.value)
    assert call("verify", out, capfd=capfd).code == cli.BROKEN


@pytest.mark.parametrize("name", ["index.parquet", "run/ledger/*/0*.parquet", "run/ledger/*/pack.parquet"])
def test_parquet_whose_names_are_no_text_is_told(out: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = sorted(out.glob(name))[0]
    data = path.read_bytes()
    for word in (b"offset", b"status", b"r11"):
        path.write_bytes(data.replace(word, b"\xff" + word[1:]))
        result = call("verify", out, capfd=capfd)
        assert word not in data or word == b"r11" or result.code == cli.BROKEN, "statistics may have it, and no row"
        for words in (["show", out, "r1"], ["gc", out, "--dry-run"], ["verify", out, "--repair"]):
            call(*words, capfd=capfd)
    config = out.parent / "toy.yaml"
    assert call("run", config, "--engine", "local", "--out", out, capfd=capfd).code == cli.OK
    assert call("verify", out, capfd=capfd).code == cli.OK


def test_members_that_overlap_are_found(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    _index(out, lambda rows: rows[0]["members"][1].update(offset=rows[0]["members"][0]["offset"]))
    result = call("verify", out, capfd=capfd)
    assert result.code == cli.BROKEN
    assert "in the index at" in result.err


def _entry(name: str, **changes: Any) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(entry, key, value)
    return entry


ENTRIES = {
    "symbolic link": (_entry("a.png", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "png is a link, device or folder"),
    "hard link": (_entry("a.png", type=tarfile.LNKTYPE, linkname="../victim"), "png is a link, device or folder"),
    "device": (_entry("a.png", type=tarfile.CHRTYPE, devmajor=1, devminor=5), "png is a link, device or folder"),
    "pipe": (_entry("a.png", type=tarfile.FIFOTYPE), "png is a link, device or folder"),
    "folder": (_entry("a", type=tarfile.DIRTYPE), "is a link, device or folder"),
    "absolute": (_entry("/etc/passwd.png"), "is no key: at most 80 of a-z, 0-9, '-' and '_'"),
    "above": (_entry("../../a.png"), "is no key: at most 80 of a-z, 0-9, '-' and '_'"),
    "escape": (_entry(f"{CONTROL}.png"), "\\x1b[2J: is no key"),
    "no number": (_entry("a.png", pax_headers={"GNU.sparse.map": "x", "GNU.sparse.major": "0"}), ""),
}


@pytest.mark.parametrize("case", ENTRIES)
def test_a_shard_with_links_devices_or_paths_is_refused(
    out: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    entry, message = ENTRIES[case]
    shard = sorted((out / "shards").iterdir())[0]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(entry)
    data = buffer.getvalue()
    shard.write_bytes(data)
    known = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    _edited(out / DATASET, lambda found: found["shards"][0].update(known))
    result = call("verify", out, capfd=capfd)
    assert result.code == cli.BROKEN
    assert message in result.err
    assert call("verify", out, "--repair", capfd=capfd).code == cli.OK
    assert _victim_is_whole(out)


def _member(out: Path, name: str, data: bytes) -> datagen.Sample:
    """The first sample, one of its members replaced by bytes that are no longer than it was."""
    sample = open_dataset(str(out))[0]
    offset, size = sample._places[name]
    with (out / sample.shard).open("r+b") as file:
        file.seek(offset)
        file.write(data.ljust(size)[:size])
    return open_dataset(str(out))[0]


def test_a_picture_that_is_a_program_is_never_run(out: Path) -> None:
    """Pillow hands PostScript to Ghostscript, where that is installed."""
    sample = _member(out, "target.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n%%EOF\n")
    with pytest.raises(StoreError, match=r"target\.png of sample '.*' is damaged: cannot identify image file"):
        _ = sample.target


@pytest.mark.parametrize("data", [b"{", b"[" * 5000, b"[]", b"\xff"])
def test_a_json_member_that_is_none_is_told(out: Path, data: bytes) -> None:
    with pytest.raises(StoreError, match=r"json of sample '.*' is damaged: "):
        _ = _member(out, "json", data).info


def _ledger(out: Path, edit: Callable[[dict[str, Any]], Any]) -> str:
    """Change the first accepted row of a slice; the id that it had."""
    for path in sorted((out / "run" / "ledger").rglob("0*.parquet")):
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        rows = table.to_pylist()
        if chosen := [row for row in rows if row["status"] == "accepted"]:
            id: str = chosen[0]["id"]
            edit(chosen[0])
            pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
            return id
    raise AssertionError("nothing was accepted")


@pytest.mark.parametrize(
    "change",
    [
        {"part": "../victim/file"},
        {"part": "run/parts/../../../victim"},
        {"part": "a\0b"},
        {"part": None},
        {"offset": -10},
        {"offset": 2**62, "size": 2**62},
        {"size": -5},
        {"key": CONTROL},
        {"id": None},
        {"slice": "../../x"},
        {"members": "[" * 5000},
        {"scores": "x"},
        {"scores": '{"sharpness": "high"}', "seconds": "[]"},
        {"fields": "null"},
        {"parent": "r1", "id": "r1"},
        {"status": "expanded", "children": 2**31 - 1},
    ],
    ids=repr,
)
def test_a_ledger_that_points_elsewhere_reads_and_removes_nothing_there(
    out: Path, change: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    changed = _ledger(out, lambda row: row.update(change))
    for words in (
        ["verify", out],
        ["show", out, "r1"],
        ["show", out, changed],
        ["verify", out, "--repair"],
        ["gc", out],
    ):
        call(*words, capfd=capfd)
    config = out.parent / "toy.yaml"
    call("run", config, "--engine", "local", "--out", out, capfd=capfd)
    assert _victim_is_whole(out)


@pytest.mark.parametrize(
    "text", ["../../victim\t3\n", "000000-a\0b\t1\n", "abc\t1\n", "\t2\n\t2\n", "000000-abc\n", "\x1b[2J\t1\n"]
)
def test_a_list_of_slices_that_is_odd_is_told(out: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    [path] = (out / "run" / "ledger").rglob("slices.txt")
    path.write_text(path.read_text() + text)
    result = call("verify", out, capfd=capfd)
    assert result.code == cli.BROKEN
    assert "slices.txt is damaged" in result.err
    assert call("run", out.parent / "toy.yaml", "--engine", "local", "--out", out, capfd=capfd).code == cli.OK
    assert call("verify", out, capfd=capfd).code == cli.OK
    assert _victim_is_whole(out)


@pytest.mark.parametrize(
    "text", ["[" * 5000, "pipeline: [toy]", "pipeline: !!python/name:os.system", "a: &a [*a]", "\0"]
)
def test_a_config_of_an_out_that_is_odd_is_told(out: Path, text: str, capfd: pytest.CaptureFixture[str]) -> None:
    (out / "run" / "config.yaml").write_text(text)
    message = refused("run", out.parent / "toy.yaml", "--engine", "local", "--out", out, capfd=capfd)
    assert "run/config.yaml is damaged, so it does not say whose output this is; write the line" in message
    assert refused("retry", out, "--engine", "local", capfd=capfd)


def test_answers_that_bear_their_own_checksum_and_are_none_are_asked_again(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for body in (b"", b"ARROW1", b"[" * 9000):
        store.write("run/checkpoints/f00d/000000-abc.arrow", hashlib.sha256(body).digest() + body)
        answers = AnswerCache(store, "f00d", catalogue=catalogue())
        assert answers.load("000000-abc") == {}
        assert "000000-abc.arrow is damaged, so that its records are asked again" in answers.faults[0]


def test_a_name_that_leads_out_of_a_store_is_refused_by_every_operation(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    store = Store(str(tmp_path / "out"))
    for name in ("../file", "a/../../file", "..", "a\0b"):
        for operation in (
            store.read, store.exists, store.remove, store.sizes, store.files, lambda name: store.write(name, b""),
            lambda name: store.create(name, b""), lambda name: store.move("x", name), lambda name: store.move(name, "x"),
            lambda name: store.read_ranges([(name, 0, 1)]), lambda name: store.remove_files([name]),
        ):  # fmt: skip
            with pytest.raises(StoreError, match="which is not in it"):
                operation(name)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_lock_that_nobody_can_hold_bars_nobody(out: Path, capfd: pytest.CaptureFixture[str]) -> None:
    held = {"host": os.uname().nodename, "token": "x"}
    for found in ({"pid": 10**30, "seen": 1e12}, {"pid": -1, "seen": 1e12}, {"pid": 1, "seen": float("inf")}):
        (out / LOCK).write_text(json.dumps({**held, **found}))
        assert call("gc", out, capfd=capfd).code == cli.OK


@pytest.mark.ray
def test_rays_dashboard_listens_on_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from datagen.execute.engines.cluster import start_ray

    values: dict[str, Any] = {}

    class Context:
        dashboard_url = "127.0.0.1:8265"

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", lambda **options: values.update(options) or Context())
    assert start_ray() == "http://127.0.0.1:8265"
    assert values["dashboard_host"] == "127.0.0.1"


@pytest.mark.ray
def test_a_ray_that_does_not_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    from datagen.execute.engines.cluster import start_ray

    def init(**_: Any) -> None:
        raise Exception("The current node timed out during startup. This could happen because ...")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(SetupError, match=r"Ray did not start .*: The current node timed out .*or with --engine local"):
        start_ray()
