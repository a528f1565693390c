"""The records that a report shows: their data and small pictures."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from datagen.core.fields import Field
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.ledger.ledger_audit import dropped_tables
from datagen.execute.reuse.run_manifest import StageManifest
from datagen.report.cells import as_json, mapping_in, numbers_in
from datagen.report.film import FilmTurn
from datagen.report.pictures import SIDE, ReadLimits, Sheet, sheet_of_row, sheet_of_sample, with_states_of
from datagen.report.plan_strip import StripFrame
from datagen.report.rejected_fields import stored_fields
from datagen.report.survey import ChosenRecord
from datagen.shards.reader import Dataset, open_dataset

MOST_BYTES = 23_000_000
"""Bytes of all records on a page. The chart library takes five million more, and the report stays below 30 MB."""
_THREADS = 4
_LONGEST = 600
"""Characters of a text."""
_MOST_SIBLINGS = 4
"""Samples of the same session whose pictures are read for a record that was lost."""
_MOST_CANDIDATES = 12
"""Boxes of a turn that are drawn."""
_MOST_CHECKS = 60
"""Atoms of a record that are listed."""
_COLUMNS = (
    "id", "parent", "slice", "source_uri", "status", "stage", "reason", "detail", "key", "scores", "fields", "task",
    "instruction", "license",
)  # fmt: skip
_ROWS = 4096

Item = TypeVar("Item")
Shown = TypeVar("Shown")


class Gallery(NamedTuple):
    """The shown records as plain data, and how many lack pictures."""

    records: list[dict[str, Any]]
    without_pictures: int
    """Records without their pictures, because the page would be too large."""


def gallery(
    ledger: Ledger,
    chosen: Sequence[ChosenRecord],
    *,
    stages: Mapping[str, StageManifest],
    catalogue: Mapping[str, Field],
    reading: ReadLimits,
    side: int = SIDE,
) -> Gallery:
    """The chosen records as plain data with pictures no larger than `side` pixels, in the given order.

    Raises `StoreError` if the ledger, the index or a shard cannot be read.
    """
    rows, siblings = _rows_of(ledger, chosen)
    dataset = open_dataset(ledger.store.address)
    lost = [item for item in chosen if item.end.status != "accepted"]
    stored = stored_fields(ledger.store, stages, ((item.slice, item.id) for item in lost), catalogue=catalogue)

    def look(item: ChosenRecord) -> dict[str, Any]:
        row = rows[item.id]
        if item.end.status == "accepted":
            sheet = _sheet_of(dataset, row, side)
        else:
            sheet = sheet_of_row(row, reading=reading, stored=stored.get(item.id, {}), side=side)
            if sheet.film and not sheet.named(sheet.film[-1].picture):
                near = siblings.get(row["parent"], ())
                sheet = with_states_of(sheet, (_sheet_of(dataset, each, side) for each in near[:_MOST_SIBLINGS]))
        return {**_record_data(row, sheet, ledger.store.address), "path": list(item.path)}

    return _within(_side_by_side(look, chosen))


def _sheet_of(dataset: Dataset, row: Mapping[str, Any], side: int) -> Sheet:
    try:
        return sheet_of_sample(dataset.by_key(row["key"]), fields=mapping_in(row["fields"]), side=side)
    except KeyError:
        return Sheet(notes=("the dataset has no such sample, though its ledger has; `verify` says what is wrong",))


def _rows_of(
    ledger: Ledger, chosen: Iterable[ChosenRecord]
) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The ledger rows of the chosen records by id; for a dropped record, the row that packing wrote.

    Also, by parent, the rows of the samples that have a parent in common with a chosen record that was lost, those of
    most turns first.
    """
    slices = {item.slice for item in chosen}
    ids = pa.array([item.id for item in chosen], pa.string())
    if not slices:
        return {}, {}
    tables = (
        *ledger.tables(slices, columns=_COLUMNS, rows=_ROWS),
        *dropped_tables(ledger, columns=_COLUMNS),
    )
    inner = pa.array(["expanded", "combined"])
    found: dict[str, dict[str, Any]] = {}
    siblings: dict[str, list[dict[str, Any]]] = {}
    for table in tables:
        wanted = pc.and_(pc.is_in(table["id"], value_set=ids), pc.invert(pc.is_in(table["status"], value_set=inner)))
        rows = table.filter(wanted).to_pylist()
        found.update({row["id"]: row for row in rows})
        for row in _siblings_in(table, rows):
            siblings.setdefault(row["parent"], []).append(row)
    for samples in siblings.values():
        samples.sort(key=lambda row: (-len(mapping_in(row["fields"]).get("steps") or ()), row["id"]))
    return found, siblings


def _siblings_in(table: pa.Table, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of samples that were made from one session with one of these `rows` that was lost."""
    lost = [row for row in rows if row["status"] != "accepted" and row["parent"]]
    parents = {row["parent"] for row in lost if "first_turn" in mapping_in(row["fields"])}
    near = pc.is_in(table["parent"], value_set=pa.array(sorted(parents), pa.string()))
    found: list[dict[str, Any]] = table.filter(pc.and_(near, pc.equal(table["status"], "accepted"))).to_pylist()
    return found


def _side_by_side(look: Callable[[Item], Shown], items: Sequence[Item]) -> list[Shown]:
    with ThreadPoolExecutor(_THREADS) as threads:
        return list(threads.map(look, items))


def _record_data(row: Mapping[str, Any], sheet: Sheet, address: str) -> dict[str, Any]:
    fields = mapping_in(row["fields"])
    name = row["key"] or row["id"]
    return {
        "id": row["id"],
        "name": name,
        "status": row["status"],
        "stage": row["stage"],
        "reason": row["reason"],
        "detail": (row["detail"] or "")[:_LONGEST],
        "task": str(row["task"] or fields.get("task") or ""),
        "subject": str(fields.get("subject") or "")[:_LONGEST],
        "instruction": str(row["instruction"] or fields.get("instruction") or "")[:_LONGEST],
        "license": str(row["license"] or fields.get("license") or "")[:_LONGEST],
        "source": str(row["source_uri"] or "")[:_LONGEST],
        "scores": numbers_in(row["scores"]),
        "pictures": [
            {
                "name": picture.name,
                "width": picture.width,
                "height": picture.height,
                "data": base64.b64encode(picture.data).decode(),
            }
            for picture in sheet.pictures
        ],
        "outlines": dict(sheet.outlines),
        "boxes": [{"label": marked.label, "box": list(marked.box)} for marked in sheet.boxes],
        "size": list(sheet.size),
        "inputs": list(sheet.inputs),
        "film": [_turn_data(turn) for turn in sheet.film],
        "before": "source" if sheet.named("source") else f"state_{sheet.film[0].turn - 1}" if sheet.film else "",
        "strip": [_frame_data(frame) for frame in sheet.strip],
        "graph": _graph_data(sheet),
        "fault": sheet.fault[:_LONGEST],
        "checks": [{"line": each.line()[:_LONGEST], "holds": each.holds} for each in sheet.checks[:_MOST_CHECKS]],
        "notes": list(sheet.notes),
        "show": f"python -m datagen show {shlex.quote(address)} {shlex.quote(name)}",
    }


def _frame_data(frame: StripFrame) -> dict[str, Any]:
    words = {name: value[:_LONGEST] for name, value in frame._asdict().items() if isinstance(value, str)}
    return {**words, "fault": frame.fault, "wrong": frame.is_wrong}


def _graph_data(sheet: Sheet) -> dict[str, Any] | None:
    graph = sheet.graph
    if graph is None:
        return None
    return {
        **graph._asdict(),
        "nodes": [node._asdict() for node in graph.nodes],
        "edges": [edge._asdict() for edge in graph.edges],
    }


def _turn_data(turn: FilmTurn) -> dict[str, Any]:
    return {
        **turn._asdict(),
        "instruction": turn.instruction[:_LONGEST],
        "object": turn.object[:_LONGEST],
        "candidates": [each._asdict() for each in turn.candidates[:_MOST_CANDIDATES]],
        "more": max(0, len(turn.candidates) - _MOST_CANDIDATES),
        "conflicts": [{**each._asdict(), "reason": each.reason[:_LONGEST]} for each in turn.conflicts],
    }


def _within(records: list[dict[str, Any]]) -> Gallery:
    """Add pictures to the records until the page is full."""
    # texts take their room first: every record is listed, with or without pictures
    drawn = [{name: record.pop(name) for name in ("pictures", "outlines", "boxes")} for record in records]
    left, without = MOST_BYTES - len(as_json(records).encode()), 0
    for record, parts in zip(records, drawn, strict=True):
        size = len(as_json(parts))
        if size <= left or not parts["pictures"]:
            left -= size
            record.update(parts)
        else:
            without += 1
            record.update(pictures=[], outlines={}, boxes=[], notes=[_NO_ROOM])
    return Gallery(records, without)


_NO_ROOM = "its pictures were left out, as the page would be too large"
