"""A run packs from streams: nothing wide is read where nothing is to be packed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from building import PAINT, dataset_bytes, ledger_rows, plain_rows, run_local, toy_graph

from datagen.execute.ledger.ledger import SCHEMA, Ledger, Row, to_table
from datagen.execute.ledger.ledger_audit import audit_ledger
from datagen.execute.maintain.verify import verify
from datagen.shards.index import DATASET, read_dataset
from datagen.storage.store import Store

ROWS = plain_rows(12)


def columns_read(patch: pytest.MonkeyPatch) -> set[str]:
    """Notes which columns of slices are read from now on."""
    found: set[str] = set()
    whole = Ledger.tables

    def tables(ledger: Ledger, slices: Any, *, columns: Any = None, rows: int = 50_000) -> Iterator[pa.Table]:
        if slices:
            found.update(SCHEMA.names if columns is None else columns)
        return whole(ledger, slices, columns=columns, rows=rows)

    patch.setattr(Ledger, "tables", tables)
    return found


def test_a_run_with_nothing_to_do_reads_no_wide_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=ROWS)
    first = run_local(graph, tmp_path / "out")
    before = dataset_bytes(tmp_path / "out")
    read = columns_read(monkeypatch)
    again = run_local(graph, tmp_path / "out")
    assert not read & {"members", "scores", "instruction", "content", "fields"}
    assert (again.counts, again.example, again.splits) == (first.counts, first.example, first.splits)
    assert dataset_bytes(tmp_path / "out") == before
    (tmp_path / "out" / DATASET).unlink()
    run_local(graph, tmp_path / "out")
    assert {"content", "sha256"} <= read
    assert not read & {"members", "scores", "instruction", "fields"}
    for path in (tmp_path / "out" / "shards").iterdir():
        path.unlink()
    run_local(graph, tmp_path / "out")
    assert {"members", "scores", "instruction"} <= read
    assert "fields" not in read
    assert dataset_bytes(tmp_path / "out") == before


@pytest.mark.parametrize("changes", [{"output": {"val_fraction": 0.5}}, {"description": "Other words."}])
def test_a_change_of_the_output_is_packed(tmp_path: Path, changes: dict[str, object]) -> None:
    out = tmp_path / "out"
    run_local(toy_graph(tmp_path, [PAINT], rows=ROWS), out)
    before = dataset_bytes(out)
    assert run_local(toy_graph(tmp_path, [PAINT], rows=ROWS, **changes), out).computed == 0
    assert dataset_bytes(out) != before
    assert verify(str(out)) == []


def test_a_dropped_record_keeps_its_row_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = toy_graph(tmp_path, [PAINT], rows=[{**ROWS[0], "id": row["id"]} for row in ROWS])
    monkeypatch.setattr(graph.nodes[-1].stage, "rng", lambda stage, record: np.random.default_rng(1))
    run_local(graph, tmp_path / "out")
    rows = ledger_rows(tmp_path / "out")
    [stays] = [row for row in rows.values() if row["status"] == "accepted"]
    assert stays["id"] == "r0"
    found = {(row["stage"], row["reason"], row["detail"]) for row in rows.values() if row["id"] != "r0"}
    assert found == {("pack", "duplicate", "same content as r0")}
    assert all(row["key"] and row["part"] for row in rows.values())
    assert read_dataset(Store(str(tmp_path / "out"))).totals.rejected == {"pack/duplicate": 11}


def entered(tmp_path: Path, slices: dict[str, list[Row]]) -> Ledger:
    ledger = Ledger(Store(str(tmp_path)), "f00d")
    for name, rows in slices.items():
        ledger.commit(name, to_table(replace(row, slice=name) for row in rows))
    return ledger


def row(id: str, status: str = "accepted") -> Row:
    return Row(id, "", status, key=id)  # type: ignore[arg-type]


def test_slices_are_counted_as_a_stream(tmp_path: Path) -> None:
    slices = {f"00000{n}-a": [row(f"r{n}"), row(f"s{n}", "failed"), row(f"t{n}", "rejected")] for n in range(7)}
    ledger = entered(tmp_path, slices)
    cut = dict.fromkeys(slices, 3)
    found = audit_ledger(ledger, cut)
    assert (found.counts.accepted, found.counts.failed, found.counts.sources, found.faults) == (7, 7, 21, [])
    assert (found.example, found.failed) == ("r0", ["s0", "s1", "s2", "s3", "s4"])


def test_a_record_of_two_slices_is_named(tmp_path: Path) -> None:
    slices = {f"00000{n}-a": [row(f"r{n}"), row("twice" if n in (0, 5) else f"s{n}")] for n in range(7)}
    assert audit_ledger(entered(tmp_path, slices), dict.fromkeys(slices, 2)).faults == ["record 'twice' ended twice"]
