"""The ledger: nothing is lost unseen, and damage below OUT is found, told and mended."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import PAINT, Quiet, context_of, dataset_bytes, graph_beside, plain_rows, run_local, toy_graph

from datagen.cards.show import find
from datagen.core.errors import StoreError
from datagen.execute import finish as finish_module
from datagen.execute.finish import about_run
from datagen.execute.ledger.ledger import Counts, Ledger
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.maintain.verify import verify
from datagen.execute.run import CONFIG, RunOptions, committer_of, run, worker_context_of
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.slices import Job, cut
from datagen.execute.workers.stage_runner import StageRunner
from datagen.execute.workers.state import RecordEnd, SliceState
from datagen.execute.workers.worker import Worker
from datagen.models.base import ModelConfig
from datagen.pipeline.graph_model import Graph
from datagen.shards.index import DATASET, INDEX, read_dataset
from datagen.storage.store import Store

SPREAD = [{"use": "fan_out"}, PAINT]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished dataset of four slices of three rows, each of them made into some children."""
    folder = tmp_path_factory.mktemp("made")
    run_local(toy_graph(folder, SPREAD, rows=plain_rows(12)), folder / "out")
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """A copy of it, which the test may damage, and of its config."""
    return shutil.copytree(made, tmp_path, dirs_exist_ok=True) / "out"


def ledger_of(out: Path) -> Ledger:
    store = Store(str(out))
    return Ledger(store, read_dataset(store).fingerprint)


def first_slice(out: Path) -> Path:
    ledger = ledger_of(out)
    return out / ledger.folder / f"{next(iter(ledger.slices()))}.parquet"


def run_again(out: Path) -> list[str]:
    """Run again; what was said."""
    watcher = Quiet()
    run(graph_beside(out), out=str(out), options=RunOptions("local"), watcher=watcher)
    return watcher.messages


def ledger_text(out: Path) -> str:
    return "\n".join(map(str, verify(str(out))))


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def tamper(out: Path, edit: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of the first slice."""
    path = first_slice(out)
    table = pq.read_table(path)
    rows = table.to_pylist()
    edit(rows)
    path.write_bytes(parquet(pa.Table.from_pylist(rows, schema=table.schema)))


def leak(patch: pytest.MonkeyPatch, stage: str) -> None:
    """Drop the last record of one slice after a stage, as a broken worker would."""
    whole = StageRunner.run_slices

    def run_slices(node_run: StageRunner, states: list[SliceState], *, isolation: Any) -> StageCounters:
        counters = whole(node_run, states, isolation=isolation)
        for state in states:
            if node_run.node.id == stage and state.slice.startswith("000001-"):
                state.live = state.live[:-1]
        return counters

    patch.setattr(StageRunner, "run_slices", run_slices)


@pytest.mark.parametrize("stage", ["ask", "paint"])
def test_a_record_that_a_worker_drops_ends_the_run_by_slice_and_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    graph = toy_graph(tmp_path, [{"use": "ask"}, PAINT], rows=plain_rows(8))
    with monkeypatch.context() as patch:
        leak(patch, stage)
        message = r"slice 000001-\w{12}: 3 records began \(3 of the source, 0 made by stages\), 2 ended"
        with pytest.raises(StoreError, match=message):
            run_local(graph, tmp_path / "out")
    assert not (tmp_path / "out" / DATASET).exists()
    assert run_local(graph, tmp_path / "out").computed == 1
    assert verify(str(tmp_path / "out")) == []


def test_a_child_that_a_worker_drops_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leak(monkeypatch, "fan_out")
    graph = toy_graph(tmp_path, SPREAD, rows=plain_rows(12))
    with pytest.raises(StoreError, match=r"slice 000001-.* made by stages\).*record 'r\d#\d' began, but has no end"):
        run_local(graph, tmp_path / "out")


@pytest.mark.parametrize("stages", [["fan_out", "gather", "paint"], ["gather_session", "paint"]])
def test_new_records_of_combined_groups_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: list[str]
) -> None:
    rows = [{**row, "session": f"s{n // 4}"} for n, row in enumerate(plain_rows(16))]
    source = {"kind": "manifest", "path": str(tmp_path / "manifest.jsonl"), "group_by": "session"}
    graph = toy_graph(tmp_path, [{"use": use} for use in stages], rows=rows, source=source)
    run_local(graph, tmp_path / "whole")
    assert verify(str(tmp_path / "whole")) == []
    leak(monkeypatch, stages[-2])
    with pytest.raises(StoreError, match=r"slice 000001-\w{12}: \d+ records began"):
        run_local(graph, tmp_path / "leaking")


def drop_last(rows: list[dict[str, Any]]) -> None:
    rows.pop()


def double(rows: list[dict[str, Any]]) -> None:
    rows.append(rows[0])


def fewer_children(rows: list[dict[str, Any]]) -> None:
    row = next(row for row in rows if row["status"] == "expanded")
    row["children"] -= 1


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop_last, "began, but has no end"),
        (drop_last, r"records began (3 of the source"),
        (double, "ended twice"),
        (fewer_children, r"records began (3 of the source"),
    ],
)
def test_verify_finds_a_ledger_that_lacks_a_record(
    out: Path, edit: Callable[[list[dict[str, Any]]], None], message: str
) -> None:
    tamper(out, edit)
    name = first_slice(out).stem
    assert message in ledger_text(out)
    if edit is not double:
        assert f"slice {name}: " in ledger_text(out)
    result = run_again(out)
    assert [line for line in result if line.startswith(f"slice {name} is computed again: ")]
    assert verify(str(out)) == []


def test_verify_compares_totals_with_the_ledger(out: Path) -> None:
    found = json.loads((out / DATASET).read_text())
    found["totals"]["sources"] += 1
    (out / DATASET).write_text(json.dumps(found))
    assert "totals.sources is 13, the ledger has 12" in ledger_text(out)


def test_verify_compares_sources_with_what_was_cut(out: Path) -> None:
    listing = first_slice(out).parent / "slices.txt"
    assert [line.split("\t")[1] for line in listing.read_text().splitlines()] == ["3", "3", "3", "3"]
    listing.write_text(listing.read_text().replace("\t3", "\t4", 1))
    assert "totals.sources is 12, the ledger has 13" in ledger_text(out)
    assert "(4 of the source" in ledger_text(out)


def test_verify_compares_keys_with_the_ledger(out: Path) -> None:
    row: dict[str, Any] = {}

    def rename(rows: list[dict[str, Any]]) -> None:
        row.update(next(row for row in rows if row["status"] == "accepted"))
        next(row for row in rows if row["status"] == "accepted")["key"] = "another"

    tamper(out, rename)
    assert f"{INDEX}: another: accepted in the ledger, but not in the index" in ledger_text(out)
    assert f"{INDEX}: {row['key']}: in the index, but not accepted in the ledger" in ledger_text(out)


@pytest.mark.parametrize("data", [b"nothing", parquet(pa.table({"id": ["r0"]}))])
def test_verify_tells_of_a_damaged_index(out: Path, data: bytes) -> None:
    (out / INDEX).write_bytes(data)
    assert f"{INDEX}: " in ledger_text(out)
    run_again(out)
    assert verify(str(out)) == []


def test_show_tells_of_a_key_that_the_index_lacks(out: Path) -> None:
    tamper(out, lambda rows: rows[-1].update(status="accepted", key="another"))
    with pytest.raises(StoreError, match=r"index\.parquet has no sample 'another', though the ledger has it"):
        find(str(out), "another")


def test_a_shorter_manifest_counts_its_own_slices_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, SPREAD, rows=plain_rows(12)), out)
    summary = run_local(toy_graph(tmp_path, SPREAD, rows=plain_rows(6)), out)
    assert (summary.slices, summary.computed, summary.counts.sources) == (2, 0, 6)
    assert len(ledger_of(out).slices()) == 2
    assert len(ledger_of(out).listing().locations) == 4
    assert verify(str(out)) == []


def test_the_loser_of_a_slice_reports_the_winners_and_leaves_no_part(tmp_path: Path) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=plain_rows(3))
    committer = committer_of(context_of(graph, tmp_path / "out"))
    [part] = cut(graph.source, size=3)
    painting = Worker(fuse(graph)[0], worker_context_of(context_of(graph, tmp_path / "out")))

    def painted() -> SliceState:
        state = SliceState.start(Job(part), catalogue=committer.catalogue)
        painting.run([state])
        return state

    late = painted()
    first = committer.commit(painted())
    late.end(late.live.pop(), RecordEnd("failed", "paint", "error"))
    second = committer.commit(late)
    assert first.counts == second.counts == Counts(sources=3, accepted=3)
    [left] = (tmp_path / "out" / "run" / "parts" / committer.fingerprint).iterdir()
    rows = Ledger(Store(str(tmp_path / "out")), committer.fingerprint).read(part.name).to_pylist()
    assert {Path(row["part"]).name for row in rows} == {left.name}


class Licensed(ModelConfig):
    """A model whose weights have a licence."""

    license = "Apache-2.0"


def test_the_index_names_stages_that_may_differ_and_licences_of_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = toy_graph(tmp_path, [{"use": "ask"}, PAINT])
    assert about_run(context_of(graph), Counts()).non_deterministic == []
    assert about_run(context_of(graph), Counts()).model_licenses == {}
    monkeypatch.setattr(graph.nodes[1].stage, "deterministic", False)
    monkeypatch.setattr(finish_module, "models_of", lambda node: [Licensed(kind="learned")] if node.id == "ask" else [])
    about = about_run(context_of(graph), Counts())
    assert about.non_deterministic == ["paint"]
    assert about.model_licenses == {"learned@1": "Apache-2.0"}


class DiedError(Exception):
    """The machine dies."""


@contextmanager
def breaking(patch: pytest.MonkeyPatch, after: int) -> Iterator[None]:
    """A store that dies at the change after so many; the lock is none."""
    left = [after]

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(store: Store, name: str, *rest: Any, **more: Any) -> Any:
            if name != "run/lock":
                left[0] -= 1
                if left[0] < 0:
                    raise DiedError(name)
            return real(store, name, *rest, **more)

        return call

    with patch.context() as inner:
        for change in ("writing", "create", "remove", "move"):
            inner.setattr(Store, change, dying(getattr(Store, change)))
        yield


def draw_by_uri(graph: Graph, patch: pytest.MonkeyPatch) -> None:
    """Let equal pictures be made of records with one uri."""
    paint = graph.nodes[-1].stage
    patch.setattr(paint, "rng", lambda stage, record: np.random.default_rng(crc32(record["uri"].encode())))


def test_wherever_a_run_breaks_off_no_dataset_is_there_that_is_not_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = plain_rows(9)
    few = [*rows[:4], {**rows[0], "id": "again"}]
    many = [*few, *rows[5:], {**rows[1], "id": "once more"}]
    draw_by_uri(toy_graph(tmp_path, [PAINT]), monkeypatch)
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT], rows=few), out)
    assert read_dataset(Store(str(out))).totals.rejected == {"pack/duplicate": 1}
    states = set()
    for number in range(100):
        run_local(toy_graph(tmp_path, [PAINT], rows=few), out)
        store = Store(str(out))
        graph = toy_graph(tmp_path, [PAINT], rows=many)
        try:
            with breaking(monkeypatch, number):
                run_local(graph, out)
            break
        except DiedError:
            there = store.exists(DATASET)
            states.add(there)
            if there:
                assert verify(str(out)) == [], number
    else:
        pytest.fail("it never came to an end")
    assert states == {True, False}
    assert read_dataset(Store(str(out))).totals.rejected == {"pack/duplicate": 2}
    assert verify(str(out)) == []


def test_an_unreadable_dataset_json_is_kept_and_written_anew(out: Path) -> None:
    before = dataset_bytes(out)
    (out / DATASET).write_bytes(b'{"format": 1, "pipel')
    [result] = run_again(out)
    assert result.startswith(f"{out}/dataset.json is damaged: ")
    assert result.endswith("; it is kept in run/history")
    assert dataset_bytes(out) == before
    assert (out / "run" / "history" / "000000.json").read_bytes() == b'{"format": 1, "pipel'


@pytest.mark.parametrize("size", [None, 0, 700, -512])
def test_a_part_that_is_gone_or_short_is_computed_again(out: Path, size: int | None) -> None:
    before = dataset_bytes(out)
    part = sorted((out / "run" / "parts").rglob("*.tar"))[1]
    whole = part.read_bytes()
    part.unlink()
    if size is not None:
        part.write_bytes(whole[:size])
    name = part.name.rpartition("-")[0]
    [result] = run_again(out)
    assert result.startswith(f"slice {name} is computed again: {out}/run/parts/")
    assert ("is missing" in result) == (size is None)
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []
    assert run_again(out) == []


def test_a_slice_is_forgotten_only_once_the_dataset_is_set_aside(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = graph_beside(out)
    sorted((out / "run" / "parts").rglob("*.tar"))[1].unlink()
    for number in range(1, 100):
        try:
            with breaking(monkeypatch, number):
                run_local(graph, out)
            break
        except DiedError:
            assert not (out / DATASET).exists() or verify(str(out)) == [], number
    else:
        pytest.fail("it never came to an end")
    assert verify(str(out)) == []


@pytest.mark.parametrize("data", [b"", b"PAR1", parquet(pa.table({"id": ["r0"]}))])
def test_a_damaged_slice_is_found_and_computed_again(out: Path, data: bytes) -> None:
    before, path = dataset_bytes(out), first_slice(out)
    path.write_bytes(data)
    assert f"{path} is damaged: " in ledger_text(out)
    assert "run again, which computes that slice anew" in ledger_text(out)
    [result] = run_again(out)
    assert result.startswith(f"slice {path.stem} is computed again: {path} is damaged: ")
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("slices.txt", b"\xff\x00\xfe"),
        ("slices.txt", b"000000-0123456789ab\n"),
        ("slices.txt", b"000000-0123456789ab\tmany\n"),
        ("pack.parquet", b"nothing"),
        ("pack.parquet", parquet(pa.table({"key": ["r0"]}))),
    ],
)
def test_what_lies_beside_the_slices_is_checked_and_written_anew(out: Path, name: str, data: bytes) -> None:
    path = first_slice(out).parent / name
    path.write_bytes(data)
    assert f"{path} is damaged: " in ledger_text(out)
    assert "run again, which writes it anew" in ledger_text(out)
    with pytest.raises(StoreError, match="is damaged"):
        find(str(out), "r0")
    run_again(out)
    assert verify(str(out)) == []


def test_a_slice_of_the_ledger_that_is_gone_is_told_with_its_remedy(out: Path) -> None:
    path = first_slice(out)
    path.unlink()
    assert f"{path} is missing; run again, which computes that slice anew" in ledger_text(out)
    run_again(out)
    assert verify(str(out)) == []


@pytest.mark.parametrize("data", [b"", b"[]", b"a: [", b"\xff", b"pipeline:\n", b"pipeline: [1]\n"])
def test_a_damaged_config_of_an_out_is_told_with_a_remedy_that_works(out: Path, data: bytes) -> None:
    (out / CONFIG).write_bytes(data)
    with pytest.raises(StoreError, match=r"run/config\.yaml is damaged.*write the line 'pipeline: NAME' into it"):
        run_again(out)
    (out / CONFIG).write_text("pipeline: toy\n")
    run_again(out)
    assert verify(str(out)) == []


def test_an_out_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StoreError, match="out is a file, not a folder; give another --out"):
        run_local(toy_graph(tmp_path, [PAINT]), tmp_path / "out")


def test_an_empty_name_shows_nothing(out: Path) -> None:
    with pytest.raises(StoreError, match="by its key or its id; none was given"):
        find(str(out), "")


def test_what_packing_dropped_is_a_record_of_the_ledger(out: Path) -> None:
    ledger = ledger_of(out)
    stranger = ledger.read(next(iter(ledger.slices()))).slice(0, 1)
    place = stranger.schema.get_field_index("id")
    ledger.enter_dropped([stranger.set_column(place, "id", pa.array(["stranger"]))])
    assert "record 'stranger' was dropped by packing, but was not accepted before" in ledger_text(out)
