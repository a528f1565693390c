"""The sheet of a run: its rows, and those that it adds for records which wait for a person."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import fsspec

from datagen.core.errors import ConfigError
from datagen.execute.ledger.ledger import Ledger
from datagen.execute.reuse.run_manifest import last_run
from datagen.fetch import resolved
from datagen.fetch.addresses import reason
from datagen.review.page import page_of
from datagen.sources.review_sheet import COLUMNS, PROPOSED, SHOWN, escape_formula, sheet_rows
from datagen.sources.tables import table_kind
from datagen.storage.store import Store

UNDECIDED = "undecided"
PAGE = "report/review.html"
_READ = ("id", "status", "stage", "reason", "fields")
_KEPT = {"operation", "text", "proposed_name", "proposed_caption"}
"""Columns that are fields of the record, by the same names."""

Row = dict[str, str]


class Waiting(NamedTuple):
    """How many records wait for a person, by the stage that asks."""

    path: str
    stages: Counter[str]
    page: str
    """Where to look at them."""

    def __str__(self) -> str:
        each = ", ".join(f"{number} at {stage}" for stage, number in self.stages.items())
        return (
            f"waits for a person: {each}\n"
            f"  look at them in  {self.page}\n"
            f"  and fill in      {self.path}  (decision: keep or drop; name and caption: ok or better words)\n"
            "  then run the same command again"
        )


def update(out: str, *, path: str) -> Waiting:
    """Write what of the last run into `out` waits for a person onto the sheet at `path`, which may not be there yet.

    A page beside the report shows the pictures. What a person wrote stays as it is, and so do proposals that
    they took over. Raises `ConfigError` if the sheet cannot be read or written, `StoreError` if the ledger is damaged.
    """
    rows = {
        row["id"]: row for row in ({name: _cell(row.data.get(name)) for name in COLUMNS} for row in sheet_rows(path))
    }
    before = json.dumps(list(rows.values()))
    stages: Counter[str] = Counter()
    for told in _told(out):
        if told["awaits"]:
            stages[told["awaits"]] += 1
            rows[told["id"]] = _merged(rows.get(told["id"]), told)
        elif told["id"] in rows:
            rows[told["id"]]["awaits"] = ""
    if json.dumps(list(rows.values())) != before:
        _write(path, list(rows.values()))
    store = Store(out)
    store.write(PAGE, page_of(rows.values(), sheet=path).encode())
    return Waiting(path, stages, f"{store.address}/{PAGE}")


def _told(out: str) -> Iterator[Row]:
    """What the ledger tells of each record, in the order of the source; `awaits` is '' for those that do not wait."""
    ledger = Ledger(Store(out), last_run(Store(out)))
    for table in ledger.tables(ledger.slices(), columns=_READ):
        for row in table.to_pylist():
            if row["status"] != "rejected" or row["reason"] != UNDECIDED:
                yield {"id": row["id"], "awaits": ""}
                continue
            fields: Mapping[str, object] = json.loads(row["fields"])
            base = str(fields.get("base", ""))
            told = {name: str(fields.get(name, "")) for name in _KEPT}
            told |= {"source": resolved(str(fields.get("uri", "")), base), "target": _target(fields, base)}
            yield {
                "id": row["id"],
                "awaits": row["stage"],
                **{name: escape_formula(text) for name, text in told.items()},
            }


def _target(fields: Mapping[str, object], base: str) -> str:
    return resolved(str(fields["target_uri"]), base) if fields.get("target_uri") else ""


def _merged(row: Row | None, told: Row) -> Row:
    """A sheet's row with what a run tells; a proposal that a person took over is no longer the run's."""
    row = row or dict.fromkeys(COLUMNS, "")
    taken = {proposed for column, proposed in PROPOSED.items() if row[column]}
    return {**row, "id": told["id"], **{name: told[name] for name in SHOWN if name not in taken}}


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _write(path: str, rows: list[Row]) -> None:
    """Replace the sheet at once, so that a write that breaks off harms nothing."""
    data = _encoded(table_kind(path), path, rows)
    try:
        filesystem, inside = fsspec.core.url_to_fs(path)
        filesystem.makedirs(filesystem._parent(inside), exist_ok=True)
        with filesystem.open(f"{inside}.tmp", "wb") as file:
            file.write(data)
        filesystem.mv(f"{inside}.tmp", inside)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: the sheet cannot be written: {reason(error)}") from error


def _encoded(kind: str, path: str, rows: list[Row]) -> bytes:
    if kind == "jsonl":
        return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows).encode()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(
        text, COLUMNS, delimiter="\t" if path.lower().endswith(".tsv") else ",", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
