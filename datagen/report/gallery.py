"""The records that a report shows: what is known of each, with small pictures."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from datagen.errors import StoreError
from datagen.execute.accounts import dropped_tables
from datagen.execute.history import Told
from datagen.execute.ledger import Ledger
from datagen.fields import Field
from datagen.report.kept import kept_fields
from datagen.report.pictures import SIDE, Reading, Sheet, of_row, of_sample
from datagen.report.survey import Chosen
from datagen.shards.reader import open_dataset

MOST_BYTES = 17_000_000
"""Of all pictures of a report; base64 makes four bytes of three."""
_THREADS = 4
_LONGEST = 2_000
"""Characters of a text."""
_COLUMNS = (
    "id", "slice", "source_uri", "status", "stage", "reason", "detail", "key", "scores", "fields", "task",
    "instruction", "license",
)  # fmt: skip
_ROWS = 4096

Item = TypeVar("Item")
Shown = TypeVar("Shown")


class Gallery(NamedTuple):
    """Records as plain data, and what there was no room for."""

    records: list[dict[str, Any]]
    without_pictures: int
    """Records whose pictures would have made the page too large."""


def gallery(
    ledger: Ledger,
    chosen: Sequence[Chosen],
    *,
    stages: Mapping[str, Told],
    catalogue: Mapping[str, Field],
    reading: Reading,
    side: int = SIDE,
) -> Gallery:
    """What there is to see of the chosen records, in their order.

    Raises `StoreError` if the ledger, the index or a shard cannot be read.
    """
    rows = _rows_of(ledger, chosen)
    dataset = open_dataset(ledger.store.address)
    lost = [item for item in chosen if item.end.status != "accepted"]
    kept = kept_fields(ledger.store, stages, ((item.slice, item.id) for item in lost), catalogue=catalogue)

    def look(item: Chosen) -> dict[str, Any]:
        row = rows[item.id]
        if item.end.status == "accepted":
            try:
                sample = dataset.by_key(row["key"])
            except KeyError as error:
                raise StoreError(
                    f"{ledger.store.address} has no sample '{row['key']}', though its ledger has"
                ) from error
            found = _told(row, of_sample(sample, side=side), ledger.store.address)
            inputs = [name.split(".")[0] for name in sample.info.get("inputs", [])]
        else:
            sheet = of_row(row, reading=reading, kept=kept.get(item.id, {}), side=side)
            found, inputs = _told(row, sheet, ledger.store.address), []
        return {**found, "path": list(item.path), "inputs": inputs}

    return _within(_side_by_side(look, chosen))


def _rows_of(ledger: Ledger, chosen: Iterable[Chosen]) -> dict[str, dict[str, Any]]:
    """The ledger's rows of some records, as packing left them."""
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


def _told(row: Mapping[str, Any], sheet: Sheet, address: str) -> dict[str, Any]:
    fields = json.loads(row["fields"] or "{}")
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
        "scores": json.loads(row["scores"] or "{}"),
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
        "notes": list(sheet.notes),
        "show": f"python -m datagen show {shlex.quote(address)} {shlex.quote(name)}",
    }


def _within(records: list[dict[str, Any]]) -> Gallery:
    """The records with as many pictures as there is room for."""
    left, without = MOST_BYTES, 0
    for record in records:
        size = sum(len(picture["data"]) for picture in record["pictures"]) * 3 // 4
        left -= size
        if left < 0 and record["pictures"]:
            record["pictures"], record["outlines"], record["boxes"] = [], {}, []
            record["notes"] = ["its pictures were left out, as the page would be too large"]
            without += 1
            left += size
    return Gallery(records, without)
