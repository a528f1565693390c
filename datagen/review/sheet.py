"""Updates the review sheet after a run: adds the records that wait for a decision, and keeps what people wrote."""

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
from datagen.review.sheet_page import page_of
from datagen.sources.review_sheet import COLUMNS, PROPOSED, TOLD, escaped, sheet_rows
from datagen.sources.tables import kind_of
from datagen.storage.store import Store

UNDECIDED = "undecided"
PAGE = "report/review.html"
_READ = ("id", "status", "stage", "reason", "fields")
_FROM_FIELDS = {"operation", "text", "proposed_name", "proposed_caption"}
"""Columns that are copied from the fields of the record with the same names."""

Row = dict[str, str]


class Waiting(NamedTuple):
    """The number of records that wait for a decision, by stage."""

    path: str
    stages: Counter[str]
    page: str
    """Address of the page with their pictures."""

    def __str__(self) -> str:
        each = ", ".join(f"{number} at {stage}" for stage, number in self.stages.items())
        return (
            f"waits for a person: {each}\n"
            f"  look at them in  {self.page}\n"
            f"  and fill in      {self.path}  (decision: keep or drop; name and caption: ok or better words)\n"
            "  then run the same command again"
        )


def update(out: str, *, path: str) -> Waiting:
    """Add the waiting records of the last run into `out` to the sheet at `path`; the sheet is created if missing.

    Also writes a page with their pictures beside the report. Cells that a person filled in stay unchanged, and so do
    the proposals that they accepted. Raises `ConfigError` if the sheet cannot be read or written, `StoreError` if the
    ledger is damaged.
    """
    rows = {
        row["id"]: row for row in ({name: _cell(row.data.get(name)) for name in COLUMNS} for row in sheet_rows(path))
    }
    before = json.dumps(list(rows.values()))
    stages: Counter[str] = Counter()
    for found in _run_rows(out):
        if found["awaits"]:
            stages[found["awaits"]] += 1
            rows[found["id"]] = _merged(rows.get(found["id"]), found)
        elif found["id"] in rows:  # decided by now, or not asked any more
            rows[found["id"]]["awaits"] = ""
    if json.dumps(list(rows.values())) != before:
        _write(path, list(rows.values()))
    store = Store(out)
    store.write(PAGE, page_of(rows.values(), sheet=path).encode())
    return Waiting(path, stages, f"{store.address}/{PAGE}")


def _run_rows(out: str) -> Iterator[Row]:
    """A row for each record of the last run, in the order of the source; `awaits` is '' if it does not wait."""
    ledger = Ledger(Store(out), last_run(Store(out)))
    for table in ledger.tables(ledger.slices(), columns=_READ):
        for row in table.to_pylist():
            if row["status"] != "rejected" or row["reason"] != UNDECIDED:
                yield {"id": row["id"], "awaits": ""}
                continue
            fields: Mapping[str, object] = json.loads(row["fields"])
            base = str(fields.get("base", ""))
            target = resolved(str(fields["target_uri"]), base) if fields.get("target_uri") else ""
            cells = {name: str(fields.get(name, "")) for name in _FROM_FIELDS}
            cells |= {"source": resolved(str(fields.get("uri", "")), base), "target": target}
            yield {"id": row["id"], "awaits": row["stage"], **{name: escaped(text) for name, text in cells.items()}}


def _merged(row: Row | None, found: Row) -> Row:
    """A row of the sheet with the cells of a run; a proposal that a person accepted is not replaced."""
    row = row or dict.fromkeys(COLUMNS, "")
    taken = {proposed for column, proposed in PROPOSED.items() if row[column]}
    return {**row, "id": found["id"], **{name: found[name] for name in TOLD if name not in taken}}


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _write(path: str, rows: list[Row]) -> None:
    """Replace the sheet in one step, so that an interrupted write leaves the old sheet."""
    data = _encoded(kind_of(path), path, rows)
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
