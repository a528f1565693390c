"""Reads the review sheet, a table in which a person keeps or drops pairs and corrects their names and captions.

It has one row for each record, by its id. A person fills in `decision` (keep or drop), `reason`, `name` and
`caption`, and may use `note`; `ok` as a name or caption accepts the proposed one. Runs write all other columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import scheme_of
from datagen.sources.tables import TableRow, read_columns, table_kind, table_rows

FILLED_IN = ("decision", "reason", "name", "caption")
SHOWN = ("awaits", "operation", "text", "proposed_name", "proposed_caption", "source", "target")
COLUMNS = ("id", *FILLED_IN, *SHOWN, "note")
PROPOSED = {"name": "proposed_name", "caption": "proposed_caption"}
OK = "ok"
_KEEP, _DROP = frozenset(("keep", "yes", "y", OK)), frozenset(("drop", "no", "n"))
_MOST_FAULTS = 20
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Decision(NamedTuple):
    """What a person wrote about one record; '' where they wrote nothing."""

    where: str
    """Such as `line 7`."""
    decision: Literal["keep", "drop", ""] = ""
    reason: str = ""
    name: str = ""
    caption: str = ""


def read_decisions(path: str) -> dict[str, Decision]:
    """The decisions in a sheet, by id; empty if there is no sheet yet. Raises one `ConfigError` for all faults."""
    found: dict[str, Decision] = {}
    wrong: list[str] = []
    for row in sheet_rows(path):
        try:
            id, decision = _read(row)
            if id in found:
                raise ValueError(f"the id '{id:.100}' stands on {found[id].where} too")
            found[id] = decision
        except ValueError as error:
            wrong.append(f"{path}: {row.where}: {error}")
    if wrong:
        more = [f"{path}: and {len(wrong) - _MOST_FAULTS} more"] if len(wrong) > _MOST_FAULTS else []
        raise ConfigError("\n".join([*wrong[:_MOST_FAULTS], *more]))
    return found


def sheet_rows(path: str) -> Iterator[TableRow]:
    """The rows of a sheet as they are in the file; none if there is no sheet yet. Raises `ConfigError`."""
    if table_kind(path) == "parquet":
        raise ConfigError(f"{path}: nobody can fill in a Parquet file; name a .csv, .tsv or .jsonl")
    if not _exists(path):
        return
    for column in read_columns(path):
        if column not in COLUMNS:
            raise ConfigError(f"{path}: the column '{column:.100}' means nothing; {nearest(column, COLUMNS)}")
    for row in table_rows(path):
        if row.error:
            raise ConfigError(f"{path}: {row.where}: {row.error}")
        yield row


def _exists(path: str) -> bool:
    import fsspec

    try:
        filesystem, inside = fsspec.core.url_to_fs(path)
        return bool(filesystem.exists(inside))
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"{path}: cannot be looked at by '{scheme_of(path)}': {error}") from error


def _read(row: TableRow) -> tuple[str, Decision]:
    """The id and the decision of a row. Raises `ValueError`."""
    cells = {column: _text(row.data, column) for column in COLUMNS}
    if not cells["id"]:
        raise ValueError("the id is missing")
    word = cells["decision"].lower()
    if word and word not in _KEEP | _DROP:
        raise ValueError(f"the decision is '{cells['decision']:.60}'; write keep or drop, or nothing yet")
    decision: Literal["keep", "drop", ""] = "keep" if word in _KEEP else "drop" if word else ""
    name, caption = (_approved(cells, column) for column in ("name", "caption"))
    return cells["id"], Decision(row.where, decision, cells["reason"], name, caption)


def _approved(cells: Mapping[str, str], column: str) -> str:
    """What a person wrote, or the proposal if they wrote `ok`. Raises `ValueError` if there is no proposal."""
    if cells[column].lower() != OK:
        return cells[column]
    proposed = cells[PROPOSED[column]]
    if not proposed:
        raise ValueError(f"the {column} is '{OK}', but nothing is proposed; write the {column} itself")
    return proposed


def _text(data: Mapping[str, Any], column: str) -> str:
    value = data.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"'{column}' is {value!r:.60}, no text")
    return unescape_formula(value).strip()


def escape_formula(text: str) -> str:
    """Text as a cell of a table that no spreadsheet takes for a formula: those would run when the sheet is opened."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unescape_formula(cell: str) -> str:
    """The text of a cell that `escape_formula` made."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
