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
from datagen.report.pictures import SIDE, ReadLimits, Sheet, sheet_of_row, sheet_of_sample
from datagen.report.rejected_fields import stored_fields
from datagen.report.survey import ChosenRecord
from datagen.shards.reader import Dataset, open_dataset

MOST_BYTES = 23_000_000
"""Bytes of all records on a page. The chart library takes five million more, and the report stays below 30 MB."""
_THREADS = 4
_LONGEST = 600
"""Characters of a text."""
_COLUMNS = (
    "id", "slice", "source_uri", "status", "stage", "reason", "detail", "key", "scores", "fields", "task",
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
    rows = _rows_of(ledger, chosen)
    dataset = open_dataset(ledger.store.address)
    lost = [item for item in chosen if item.end.status != "accepted"]
    stored = stored_fields(ledger.store, stages, ((item.slice, item.id) for item in lost), catalogue=catalogue)

    def look(item: ChosenRecord) -> dict[str, Any]:
        row = rows[item.id]
        if item.end.status == "accepted":
            sheet = _sheet_of(dataset, row["key"], side)
        else:
            sheet = sheet_of_row(row, reading=reading, stored=stored.get(item.id, {}), side=side)
        return {**_record_data(row, sheet, ledger.store.address), "path": list(item.path)}

    return _within(_side_by_side(look, chosen))


def _sheet_of(dataset: Dataset, key: str, side: int) -> Sheet:
    try:
        return sheet_of_sample(dataset.by_key(key), side=side)
    except KeyError:
        return Sheet(notes=("the dataset has no such sample, though its ledger has; `verify` says what is wrong",))


def _rows_of(ledger: Ledger, chosen: Iterable[ChosenRecord]) -> dict[str, dict[str, Any]]:
    """The ledger rows of the chosen records by id; for a dropped record, the row that packing wrote."""
    slices = {item.slice for item in chosen}
    ids = pa.array([item.id for item in chosen], pa.string())
    if not slices:
        return {}
    tables = (
        *ledger.tables(slices, columns=_COLUMNS, rows=_ROWS),
        *dropped_tables(ledger, columns=_COLUMNS),
    )
    inner = pa.array(["expanded", "combined"])
    found = {}
    for table in tables:
        wanted = pc.and_(pc.is_in(table["id"], value_set=ids), pc.invert(pc.is_in(table["status"], value_set=inner)))
        found.update({row["id"]: row for row in table.filter(wanted).to_pylist()})
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
        "notes": list(sheet.notes),
        "show": f"python -m datagen show {shlex.quote(address)} {shlex.quote(name)}",
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
