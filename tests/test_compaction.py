"""The ledger's files: rounds, merging them, checking them in bulk and reading them as a stream."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from building import PAINT, Quiet, dataset_bytes, plain_rows, run_local, toy_graph
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.core.errors import StoreError
from datagen.execute import run as run_module
from datagen.execute.ledger.compaction import compact
from datagen.execute.ledger.entries import ROWS_PER_GROUP, compacted_name
from datagen.execute.ledger.ledger import Ledger, Row, to_table
from datagen.execute.ledger.ledger_audit import audit_ledger
from datagen.execute.ledger.rows import ADDED
from datagen.execute.maintain.verify import verify
from datagen.execute.run import RunOptions, run
from datagen.shards.index import DATASET, read_dataset
from datagen.shards.writer import ending
from datagen.storage.store import Store

SPREAD = [{"use": "fan_out"}, PAINT]
PART = "run/parts/f/p.tar"


def name_of(number: int) -> str:
    return f"{number:06d}-abc"


def rows_of(slice: str, *, sources: int = 2, tag: str = "first") -> pa.Table:
    """The rows of a slice whose every source is expanded into two, the first of them accepted."""
    rows = []
    for number in range(sources):
        id = f"{slice}/{number}"
        rows += [
            Row(id=id, parent="", status="expanded", stage=tag, children=2, slice=slice),
            Row(id=f"{id}#0", parent=id, status="accepted", slice=slice, part=PART, offset=512 * number, size=512),
            Row(id=f"{id}#1", parent=id, status="rejected", stage=tag, reason="why", slice=slice),
        ]
    return to_table(rows)


def parts_of(sources: int = 2) -> dict[str, int]:
    return {PART: 512 * sources + len(ending(512 * sources))}


def filled(folder: Path, number: int = 5) -> Ledger:
    ledger = Ledger(Store(str(folder)), "f")
    for index in range(number):
        assert ledger.commit(name_of(index), rows_of(name_of(index)))
    return ledger


def anew(ledger: Ledger) -> Ledger:
    """The same ledger, as another process sees it."""
    return Ledger(ledger.store, ledger.fingerprint)


def everything(ledger: Ledger, number: int = 5) -> pa.Table:
    return pa.concat_tables(anew(ledger).tables(map(name_of, range(number)))).combine_chunks()


def test_a_round_is_entered_once_and_the_highest_counts(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    first, second, third = (rows_of(name_of(2), tag=tag) for tag in ("first", "second", "third"))
    assert not ledger.commit(name_of(2), second)
    assert ledger.commit(name_of(2), second, round=1)
    assert not ledger.commit(name_of(2), third, round=1)
    assert (tmp_path / ledger.folder / f"{name_of(2)}.r1.parquet").exists()
    assert pq.read_table(tmp_path / ledger.folder / f"{name_of(2)}.parquet").equals(first)
    assert anew(ledger).read(name_of(2)).equals(second)
    assert ledger.committed(parts_of())[name_of(2)].round == 1
    assert ledger.committed(parts_of())[name_of(1)].round == 0


def test_compaction_keeps_the_rows_and_tells_the_names_in_its_footer(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    ledger.commit(name_of(2), rows_of(name_of(2), tag="second"), round=1)
    ledger.enter_dropped([rows_of(name_of(0))])
    ledger.enter_slices({name_of(0): 2})
    before, entries = everything(ledger), ledger.committed(parts_of())
    assert compact(ledger, at_least=6) == 0
    assert len(ledger.listing().singles) == 5
    assert compact(ledger, at_least=5) == 5
    [file, *others] = ledger.store.names(ledger.folder)
    assert others == ["pack.parquet", "slices.txt"]
    found = pq.read_metadata(tmp_path / ledger.folder / file).metadata[b"slices"]
    assert json.loads(found) == {name_of(number): int(number == 2) for number in range(5)}
    assert everything(ledger).equals(before)
    assert anew(ledger).committed(parts_of()) == entries
    assert {(entry.fault, entry.tally.given) for entry in entries.values()} == {("", 2)}
    assert compact(ledger, at_least=0) == 0


@settings(max_examples=example_count(30), deadline=None)
@given(left=st.sets(st.integers(0, 4)), later=st.sets(st.integers(0, 7)), second=st.booleans())
def test_a_compaction_that_is_killed_loses_nothing_and_counts_nothing_twice(
    tmp_path_factory: pytest.TempPathFactory, left: set[int], later: set[int], second: bool
) -> None:
    """Some single files are still there after the merged one was written; then the run goes on."""
    folder = tmp_path_factory.mktemp("ledger")
    ledger = filled(folder)
    before = everything(ledger)
    shutil.copytree(folder / ledger.folder, folder / "kept")
    compact(ledger, at_least=1)
    for number in left:
        name = f"{name_of(number)}.parquet"
        shutil.copy(folder / "kept" / name, folder / ledger.folder / name)
    assert everything(ledger).equals(before)
    assert len(anew(ledger).committed(parts_of())) == 5
    for number in sorted(later):
        assert anew(ledger).commit(name_of(number), rows_of(name_of(number), tag="late")) == (number >= 5)
    new = len([number for number in later if number >= 5])
    assert compact(anew(ledger), at_least=1 if second else 9) == (new if second else 0)
    assert everything(ledger).equals(before)
    assert set(anew(ledger).listing().singles) == (set() if second else {name_of(n) for n in later if n >= 5})
    assert len(anew(ledger).committed(parts_of())) == 5 + new


def test_a_late_writer_finds_no_room_where_the_entry_was_merged(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    compact(ledger, at_least=1)
    late = rows_of(name_of(3), tag="late")
    assert not anew(ledger).commit(name_of(3), late)
    assert ledger.listing().singles == {}
    assert anew(ledger).commit(name_of(3), late, round=1)
    assert anew(ledger).read(name_of(3)).equals(late)
    assert compact(ledger, at_least=1) == 1
    assert anew(ledger).read(name_of(3)).equals(late)


def test_two_that_compact_at_once_take_different_slices(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 8)
    assert compact(ledger, takes=lambda number: number % 2 == 0, at_least=1) == 4
    assert sorted(ledger.listing().singles) == [name_of(number) for number in (1, 3, 5, 7)]
    assert compact(ledger, takes=lambda number: number % 2 == 1, at_least=1) == 4
    assert len(ledger.store.names(ledger.folder)) == 2
    found = pa.concat_tables(ledger.tables([name_of(number) for number in (7, 2, 0)]))
    assert list(dict.fromkeys(found["slice"].to_pylist())) == [name_of(number) for number in (0, 2, 7)]


def test_large_ledgers_make_several_files_of_about_one_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.execute.ledger.compaction.SLICES_PER_FILE", 3)
    ledger = filled(tmp_path, 8)
    assert compact(ledger) == 0
    assert compact(ledger, at_least=1) == 8
    assert len(ledger.store.names(ledger.folder)) == 3
    assert [len(ledger._rounds_in(name)) for name in ledger.store.names(ledger.folder)] == [3, 3, 2]


def test_an_unreadable_file_stays_out_of_a_compaction(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    path = tmp_path / ledger.folder / f"{name_of(1)}.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    assert compact(ledger, at_least=1) == 4
    assert path.exists()
    entry = anew(ledger).committed(parts_of())[name_of(1)]
    assert entry.fault.startswith(f"{path} is damaged: ")
    with pytest.raises(StoreError, match=r"is damaged: .*; run again, which computes that slice anew"):
        everything(ledger)


def test_rows_are_read_whole_slices_at_a_time_each_once(tmp_path: Path) -> None:
    ledger = Ledger(Store(str(tmp_path)), "f")
    sizes = [ROWS_PER_GROUP // 3, 1, ROWS_PER_GROUP // 2, 40, 2]
    for number, size in enumerate(sizes):
        ledger.commit(name_of(number), rows_of(name_of(number), sources=size))
        if number == 2:
            assert compact(ledger, at_least=1) == 3
    single = pq.ParquetFile(tmp_path / ledger.folder / ledger.store.names_from(ledger.folder, prefix="compact-")[0])
    assert single.num_row_groups > 1
    single.close()
    tables = list(ledger.tables(map(name_of, (4, 2, 1, 0, 3)), columns=["id", "status"], rows=200))
    assert [table.num_rows for table in tables] == [3 * sizes[0], 3, 3 * sizes[2], 3 * 42]
    assert tables[0].column_names == ["id", "status"]
    ids = [id for table in tables for id in table["id"].to_pylist()]
    assert ids == [id for n, size in enumerate(sizes) for id in rows_of(name_of(n), sources=size)["id"].to_pylist()]
    [alone] = ledger.tables([name_of(1)])
    assert alone.equals(rows_of(name_of(1), sources=1))


def test_a_slice_that_is_nowhere_is_told(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    with pytest.raises(StoreError, match=rf"{name_of(7)}\.parquet is missing; run again, which computes that slice"):
        list(ledger.tables([name_of(0), name_of(7)]))


def test_a_reader_that_listed_before_a_compaction_looks_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = filled(tmp_path)
    stale = [anew(ledger).listing()]
    compact(ledger, at_least=1)
    reader = anew(ledger)
    fresh = reader.listing
    monkeypatch.setattr(reader, "listing", lambda: stale.pop() if stale else fresh())
    assert reader.read(name_of(3)).equals(rows_of(name_of(3)))


def spoil(table: pa.Table, how: str) -> pa.Table:
    rows: list[dict[str, Any]] = table.to_pylist()
    if how == "twice":
        rows[2]["id"] = rows[1]["id"]
    elif how == "gone":
        del rows[2]
    elif how == "orphaned":
        rows[0]["id"] = "another"
    elif how == "not inner":
        rows[0].update(status="failed", children=0)
    elif how == "into nothing":
        rows[1]["parent"] = rows[2]["parent"] = ""
    elif how == "wrong child":
        rows[2]["id"] += "x"
    return pa.Table.from_pylist(rows, schema=table.schema)


FAULTS = {
    "twice": "record '000003-abc/0#0' ended twice",
    "gone": "record '000003-abc/0#1' began, but has no end",
    "orphaned": "record '000003-abc/0' has children but no end",
    "not inner": "record '000003-abc/0' ended and yet has children",
    "into nothing": "record '000003-abc/0' was expanded into nothing",
    "wrong child": "record '000003-abc/0#1' began, but has no end",
}


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("how", FAULTS)
def test_the_check_in_bulk_names_the_slice_and_what_is_wrong_in_it(tmp_path: Path, how: str, merged: bool) -> None:
    ledger = filled(tmp_path)
    slice = name_of(3)
    ledger.commit(slice, spoil(rows_of(slice), how), round=1)
    if merged:
        compact(ledger, at_least=1)
    entries = anew(ledger).committed(parts_of())
    assert {name for name, entry in entries.items() if entry.fault_of(name, cut=2)} == {slice}
    found = entries[slice].fault_of(slice, cut=2)
    assert FAULTS[how] in found
    assert ("records began (2 of the source" in found) == (how in ("gone", "not inner"))
    cut = {name_of(number): 2 for number in range(5)}
    faults = audit_ledger(anew(ledger), cut).faults
    assert FAULTS[how] in faults
    assert len(faults) == len(set(faults))
    assert entries[name_of(0)].fault_of(name_of(0), cut=3) == (
        "slice 000000-abc: 7 records began (3 of the source, 4 made by stages), 6 ended"
    )


def test_a_record_that_ended_in_two_slices_is_named(tmp_path: Path) -> None:
    ledger = filled(tmp_path)
    rows = rows_of(name_of(0)).to_pylist()
    ledger.commit(name_of(9), to_table(Row(**{**row, "slice": name_of(9)}) for row in rows))
    cut = {name_of(number): 2 for number in (0, 1, 9)}
    assert audit_ledger(ledger, cut).faults == [f"record '000000-abc/0{end}' ended twice" for end in ("", "#0", "#1")]
    assert audit_ledger(ledger, {name_of(1): 2, name_of(9): 2}).faults == []


def test_a_part_has_the_size_that_follows_from_its_last_sample(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 1)
    [whole] = parts_of().values()

    def size_text(size: int) -> str:
        return ledger.committed({PART: size})[name_of(0)].fault

    assert size_text(whole) == ""
    assert size_text(whole - 1) == f"{tmp_path}/{PART} has {whole - 1} bytes, not {whole}"
    assert size_text(whole + 10240).endswith(f" bytes, not {whole}")
    assert ledger.committed({})[name_of(0)].fault == f"{tmp_path}/{PART} is missing"
    ledger.commit(name_of(0), rows_of(name_of(0)), round=1)
    assert size_text(whole + 10240) == "", "its last sample may be in use no more"
    assert size_text(whole - 1) != ""


def test_rows_of_another_slice_are_damage(tmp_path: Path) -> None:
    ledger = filled(tmp_path, 1)
    ledger.commit(name_of(1), rows_of(name_of(0)))
    assert "has rows of slice '000000-abc'" in ledger.committed(parts_of())[name_of(1)].fault
    ledger.commit(name_of(2), rows_of(name_of(2), sources=0))
    assert "has no rows" in ledger.committed(parts_of())[name_of(2)].fault_of(name_of(2), cut=2)


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished dataset of four slices, whose ledger is one file."""
    monkeypatch.setattr(run_module, "compact", lambda ledger, **more: compact(ledger, at_least=2, **more))
    run_local(toy_graph(tmp_path, SPREAD, rows=plain_rows(12)), tmp_path / "out")
    return tmp_path / "out"


def compacted(out: Path) -> Path:
    [path] = (out / "run" / "ledger" / read_dataset(Store(str(out))).fingerprint).glob("compact-*.parquet")
    return path


def run_again(out: Path, rows: int = 12) -> tuple[int, list[str]]:
    watcher = Quiet()
    graph = toy_graph(out.parent, SPREAD, rows=plain_rows(rows))
    return run(graph, out=str(out), options=RunOptions("local"), watcher=watcher).computed, watcher.messages


def test_a_run_merges_its_entries_before_it_ends(out: Path) -> None:
    path = compacted(out)
    assert not list(path.parent.glob("0*.parquet"))
    assert verify(str(out)) == []
    assert run_again(out) == (0, [])
    before = dataset_bytes(out)
    run_local(toy_graph(out.parent, SPREAD, rows=plain_rows(12), slice_size=12), out.parent / "one")
    assert dataset_bytes(out.parent / "one") == before


def test_a_run_merges_its_entries_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "SLICES_PER_FILE", 3)
    found: list[list[str]] = []

    def noted(ledger: Ledger, **more: Any) -> None:
        compact(ledger, at_least=2, **more)
        found.append([name for name in ledger.store.names(ledger.folder) if name.startswith("compact")])

    monkeypatch.setattr(run_module, "compact", noted)
    run_local(toy_graph(tmp_path, SPREAD, rows=plain_rows(21)), tmp_path / "out")
    assert [len(names) for names in found] == [1, 2, 2]
    assert verify(str(tmp_path / "out")) == []


@pytest.mark.parametrize("place", [10, 2000, -10])
def test_a_damaged_compacted_file_is_told_once_and_its_slices_run_again(out: Path, place: int) -> None:
    before, path = dataset_bytes(out), compacted(out)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    computed, output = run_again(out)
    assert computed == 4
    assert output == [
        f"{path} is damaged: its bytes are not those of its name; run again, which computes its slices anew"
    ]
    assert (path.parent / "damaged" / path.name).exists()
    assert dataset_bytes(out) == before
    assert verify(str(out)) == []
    assert run_again(out) == (0, [])


def test_single_entries_under_a_damaged_compacted_file_count(out: Path) -> None:
    path = compacted(out)
    table = pq.read_table(path)
    for slice in list(dict.fromkeys(table["slice"].to_pylist()))[:3]:
        rows = table.filter(pa.compute.equal(table["slice"], slice)).replace_schema_metadata(None)
        pq.write_table(rows, path.parent / f"{slice}.parquet")
    path.write_bytes(path.read_bytes()[:-1])
    assert run_again(out)[0] == 1
    assert verify(str(out)) == []


def test_a_merged_slice_whose_part_is_gone_runs_as_the_next_round(out: Path) -> None:
    before = dataset_bytes(out)
    part = sorted((out / "run" / "parts").rglob("*.tar"))[1]
    part.unlink()
    name = part.name.rpartition("-")[0]
    computed, [result] = run_again(out)
    assert (computed, result) == (1, f"slice {name} is computed again: {part} is missing")
    assert (compacted(out).parent / f"{name}.r1.parquet").exists()
    assert dataset_bytes(out) == before
    sorted((out / "run" / "parts").rglob(f"{name}-*.tar"))[0].write_bytes(b"")
    assert run_again(out)[0] == 1
    assert (compacted(out).parent / f"{name}.r2.parquet").exists()
    assert run_again(out) == (0, [])
    assert (out / DATASET).exists()


@pytest.mark.parametrize("merged", [False, True], ids=["single files", "a compacted file"])
def test_a_ledger_that_an_earlier_version_wrote_is_read(tmp_path: Path, merged: bool) -> None:
    ledger = filled(tmp_path, number=3)
    for path in (tmp_path / ledger.folder).glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(list(ADDED)), path, write_page_checksum=True)
    ledger = anew(ledger)
    if merged:
        assert compact(ledger, at_least=3) == 3
        [path] = (tmp_path / ledger.folder).glob("compact-*.parquet")
        table = pq.read_table(path)
        data = _as_file(table.drop_columns(list(ADDED)), pq.read_metadata(path).metadata)
        path.unlink()
        (tmp_path / ledger.folder / compacted_name([name_of(n) for n in range(3)], data)).write_bytes(data)
        ledger = anew(ledger)
    rows = [row for table in ledger.tables([name_of(n) for n in range(3)]) for row in table.to_pylist()]
    assert rows == [row for number in range(3) for row in rows_of(name_of(number)).to_pylist()]
    assert ledger.read(name_of(1), columns=["stage_usd", "id"]).to_pylist()[0] == {
        "stage_usd": "{}",
        "id": f"{name_of(1)}/0",
    }


def _as_file(table: pa.Table, metadata: dict[bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    slices = {b"slices": metadata[b"slices"]}
    with pq.ParquetWriter(buffer, table.schema, write_page_checksum=True) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(slices)
    return buffer.getvalue()
