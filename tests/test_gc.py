"""gc: exactly what is unreferenced goes, nothing that is needed, nothing that is not known."""

from __future__ import annotations

import io
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import PAINT, Quiet, plain_rows, run_fingerprint, run_local, toy_graph
from commands import call

from datagen import cli
from datagen.core.errors import ConfigError
from datagen.execute.engines.progress_events import RunProgress
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.lock import locked
from datagen.execute.maintain.gc import Freed, collect_garbage
from datagen.execute.maintain.verify import verify
from datagen.execute.reuse.fingerprints import stage_fingerprints
from datagen.execute.reuse.run_manifest import LAST
from datagen.execute.run import RunOptions, run
from datagen.pipeline.graph_model import Graph
from datagen.shards.index import DATASET
from datagen.storage.store import Store

REMAINING = {"use": "sift", "with": {"share": 0.0}, "durable": True}


class Stopping(Quiet):
    """Ends a run after its first slice."""

    def on_progress(self, message: RunProgress) -> None:
        if message.slices:
            raise KeyboardInterrupt


@pytest.fixture(params=["local", "memory"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "local":
        yield str(tmp_path / "out")
        return
    address = f"memory://gc-{uuid.uuid4().hex[:8]}"
    yield address
    fsspec.filesystem("memory").rm(address.removeprefix("memory:/"), recursive=True)


def graph_of(folder: Path, side: int = 4, rows: int = 8, share: float = 0.0) -> Graph:
    stages = [{**REMAINING, "with": {"share": share}}, {**PAINT, "with": {"side": side}}]
    return toy_graph(folder, stages, rows=plain_rows(rows))


def go(graph: Graph, out: str) -> int:
    """Run it; how many slices were computed."""
    return run(graph, out=out, options=RunOptions("local"), watcher=Quiet()).computed


def files(out: str) -> set[str]:
    return set(Store(out).files(""))


def put(out: str, *names: str, data: bytes = b"1234567890") -> set[str]:
    for name in names:
        Store(out).write(name, data)
    return set(names)


def gone(out: str) -> tuple[set[str], Freed]:
    """What gc takes away; a dry run says the same and takes nothing."""
    before = files(out)
    found = collect_garbage(out, dry=True)
    assert files(out) == before
    freed = collect_garbage(out)
    assert (freed.files, freed.bytes) == (found.files, found.bytes)
    assert collect_garbage(out).files == {}
    return before - files(out), freed


def slice_names(graph: Graph, out: str) -> list[str]:
    return sorted(Ledger(Store(out), run_fingerprint(graph)).listing().locations)


def test_after_one_run_there_is_nothing_to_free(tmp_path: Path, out: str) -> None:
    go(graph_of(tmp_path), out)
    assert gone(out) == (set(), Freed())


def test_exactly_what_older_runs_left_goes(tmp_path: Path, out: str) -> None:
    old, new = graph_of(tmp_path, share=0.0001), graph_of(tmp_path, side=5)
    go(old, out)
    left = {name for name in files(out) if run_fingerprint(old) in name}
    print, other = stage_fingerprints(old)["sift"], stage_fingerprints(new)["sift"]
    slices = slice_names(old, out)
    go(new, out)
    left |= {name for name in files(out) if print in name}
    left |= put(out, f"run/checkpoints/{print}/{slices[0]}.1.arrow", f"run/cache/{print}/{slices[0]}/{'a' * 32}.arrow")
    left |= put(out, f"run/checkpoints/{other}/000099-0123456789ab.arrow", "run/pack/ab/0.json")
    left |= put(out, f"run/parts/{run_fingerprint(new)}/{slices[1]}-deadbeef.tar", "run/code.json.0123abcd.tmp")
    left |= put(out, f"run/journals/{'c' * 32}.json")
    left |= put(out, "dataset.json.0123abcd.tmp", f"run/ledger/{run_fingerprint(new)}/000099-0123456789ab.parquet")
    put(out, f"run/checkpoints/{other}/{slices[0]}.1.arrow")
    put(out, f"run/cache/{other}/{slices[1]}/{'b' * 32}.arrow")
    put(out, "notes.txt", "run/parts/mine.tar", f"run/parts/{run_fingerprint(old)}/thesis.tex", "run/ledger/x.parquet")
    went, freed = gone(out)
    assert went == left
    assert freed.files["kept answers"] == len(slices) + 2
    assert freed.bytes["cache"] == 10
    kinds = {"parts", "ledgers", "kept answers", "cache", "journals", "pack leftovers", "unfinished files"}
    assert set(freed.files) == kinds
    assert verify(out) == []
    assert go(new, out) == 0


def test_an_unfinished_run_goes_on_where_it_stopped_and_the_dataset_before_it_goes_too(
    tmp_path: Path, out: str
) -> None:
    old, new = graph_of(tmp_path), graph_of(tmp_path, side=5)
    go(old, out)
    with pytest.raises(KeyboardInterrupt):
        run(new, out=out, options=RunOptions("local"), watcher=Stopping())
    assert Store(out).exists(DATASET)
    assert gone(out)[0] == set(), "the dataset is still that of the older run"
    assert verify(out) == []
    assert go(new, out) == 2
    went, _ = gone(out)
    assert went
    assert all(run_fingerprint(old) in name for name in went)
    assert verify(out) == []


def test_slices_that_the_source_no_longer_has_go_unless_the_dataset_has_them(tmp_path: Path, out: str) -> None:
    graph = graph_of(tmp_path, rows=9)
    go(graph, out)
    shorter = graph_of(tmp_path, rows=6)
    assert gone(out)[0] == set(), "the dataset consists of them"
    assert verify(out) == []
    last = slice_names(graph, out)[-1]
    go(shorter, out)
    went, _ = gone(out)
    assert {name.rpartition("/")[2].split("-")[0] for name in went} == {last.split("-")[0]}
    assert len(went) == 3, "its entry, its part and its answers"
    assert verify(out) == []
    assert go(shorter, out) == 0


def test_of_several_rounds_the_last_readable_one_stays(tmp_path: Path, out: str) -> None:
    graph = graph_of(tmp_path)
    go(graph, out)
    ledger = Ledger(Store(out), run_fingerprint(graph))
    first, second, _ = slice_names(graph, out)
    entries = {slice: Store(out).read(f"{ledger.folder}/{slice}.parquet") for slice in (first, second)}
    put(out, f"{ledger.folder}/{first}.r1.parquet", data=entries[first])
    put(out, f"{ledger.folder}/{second}.r1.parquet", data=b"damaged")
    assert gone(out)[0] == {f"{ledger.folder}/{first}.parquet"}


def test_a_compacted_ledger_counts_for_the_slices_that_it_lists(tmp_path: Path, out: str) -> None:
    graph = graph_of(tmp_path)
    go(graph, out)
    ledger = Ledger(Store(out), run_fingerprint(graph))
    slices = slice_names(graph, out)
    singles = {f"{ledger.folder}/{slice}.parquet" for slice in slices}
    parts = {name for name in files(out) if name.startswith("run/parts/")}
    rows = pa.concat_tables([ledger.read(slice) for slice in slices])
    buffer = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata({"slices": json.dumps(dict.fromkeys(slices, 0))}), buffer)
    put(out, f"{ledger.folder}/compact-000000.parquet", data=buffer.getvalue())
    assert gone(out)[0] == singles
    assert parts <= files(out)


def test_where_the_source_cannot_be_read_no_slice_counts_as_gone(tmp_path: Path, out: str) -> None:
    graph = graph_of(tmp_path)
    go(graph, out)
    orphan = put(out, f"run/parts/{run_fingerprint(graph)}/000000-0123456789ab-deadbeef.tar")
    put(out, f"run/checkpoints/{stage_fingerprints(graph)['sift']}/000000-0123456789ab.arrow")
    (tmp_path / "manifest.jsonl").unlink()
    went, freed = gone(out)
    assert went == orphan
    assert "the source cannot be read, so that no slice counts as gone from it" in freed.notes[0]
    assert verify(out) == []


def test_where_stages_are_not_known_all_answers_are_kept(tmp_path: Path, out: str) -> None:
    graph = graph_of(tmp_path)
    go(graph, out)
    slice = slice_names(graph, out)[0]
    put(out, f"run/checkpoints/{'0' * 16}/{slice}.arrow")
    put(out, f"run/ledger/{run_fingerprint(graph)}/stages.json", data=b"{")
    went, freed = gone(out)
    assert went == set()
    assert "so that all answers are kept" in freed.notes[0]


def test_an_out_that_does_not_name_its_last_run_is_known_by_its_config(tmp_path: Path, out: str) -> None:
    go(graph_of(tmp_path), out)
    with pytest.raises(KeyboardInterrupt):
        run(graph_of(tmp_path, side=5), out=out, options=RunOptions("local"), watcher=Stopping())
    Store(out).remove(LAST)
    assert gone(out)[0] == set()


def test_another_folder_or_one_that_is_written_to_is_refused(tmp_path: Path, out: str) -> None:
    with pytest.raises(ConfigError, match="holds no run of datagen"):
        collect_garbage(out)
    go(graph_of(tmp_path), out)
    with locked(Store(out)), pytest.raises(ConfigError, match=f"is being written by process {os.getpid()}"):
        collect_garbage(out)


def test_folders_of_which_nothing_is_left_go(tmp_path: Path) -> None:
    old, new = graph_of(tmp_path), graph_of(tmp_path, side=5)
    out = tmp_path / "out"
    run_local(old, out)
    run_local(new, out)
    collect_garbage(str(out))
    assert [path.name for path in (out / "run" / "parts").iterdir()] == [run_fingerprint(new)]
    assert not (out / "run" / "lock").exists()


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[Any]) -> None:
    out = tmp_path / "out"
    run_local(graph_of(tmp_path), out)
    code, output, _ = call("gc", out, capfd=capfd)
    assert (code, output) == (cli.OK, f"{out}: nothing to free\n")
    run_local(graph_of(tmp_path, side=5), out)
    code, output, _ = call("gc", out, "--dry-run", capfd=capfd)
    assert output.splitlines()[0].startswith("parts ") or output.splitlines()[0].startswith("ledgers ")
    assert output.rstrip().endswith("would be freed")
    code, output, _ = call("gc", out, capfd=capfd)
    assert code == cli.OK
    assert output.rstrip().endswith(" freed")


def test_a_writer_that_was_killed_before_it_had_a_lock_leaves_nothing(tmp_path: Path) -> None:
    run_local(toy_graph(tmp_path, [PAINT], rows=plain_rows(2)), tmp_path / "out")
    Store(str(tmp_path / "out")).admit("f" * 32).write("run/x", b"")
    collect_garbage(str(tmp_path / "out"), dry=True)
    assert Store(str(tmp_path / "out")).writers() == ["f" * 32]
    collect_garbage(str(tmp_path / "out"))
    assert Store(str(tmp_path / "out")).writers() == []
