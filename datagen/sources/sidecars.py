"""Reads the annotations of a picture: from a text file with its caption, a JSON file, or a row of a table."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from datagen.core.errors import ConfigError, nearest
from datagen.sources.manifest import parse_json
from datagen.sources.tables import TableRow, read_columns, table_rows

KEYS = ("caption", "license", "credit", "session", "objects")
"""The keys of annotations that are read; other keys are ignored."""
LARGEST = 16 * 2**20
"""The largest size of a side-car, in bytes."""
_CLOSE = 0.8
"""Similarity, 0 to 1, from which on an unknown key is taken for a misspelt known one, which is an error."""


def parse_json_sidecar(data: bytes) -> dict[str, Any]:
    """The annotations in a JSON side-car. Raises `ValueError`."""
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST:,} bytes")
    found = parse_json(data)
    if not isinstance(found, dict):
        raise ValueError(f"holds {type(found).__name__}, not a JSON object")
    return known_keys(found)


def parse_text_sidecar(data: bytes) -> dict[str, Any]:
    """The caption in a text side-car. Raises `ValueError`."""
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST:,} bytes")
    try:
        return {"caption": data.decode("utf-8-sig").strip()}
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid UTF-8: {error.reason} at byte {error.start + 1}") from error


def known_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of `data` with keys in `KEYS` and a value. Raises `ValueError` for a misspelt key."""
    for key in data:
        if key not in KEYS and (close := get_close_matches(key.lower()[:40], KEYS, n=1, cutoff=_CLOSE)):
            raise ValueError(f"unknown key '{key:.40}'; did you mean '{close[0]}'?")
    return {key: data[key] for key in KEYS if data.get(key) not in (None, "")}


class SidecarTable:
    """The rows of a table of annotations, by file name, in a temporary database on disk: tables may be large.

    Close it after use. Raises `ConfigError` if the table cannot be read.
    """

    def __init__(self, path: str, *, key: str) -> None:
        import sqlite3

        self.path, self.key = path, key
        self._folder = tempfile.TemporaryDirectory(prefix="datagen-")
        self._rows = sqlite3.connect(f"{self._folder.name}/rows.sqlite", isolation_level=None)
        # Without a journal, as the database never outlives this process.
        self._rows.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE annotations"
            " (name TEXT PRIMARY KEY, place TEXT, data TEXT, error TEXT, used INTEGER) WITHOUT ROWID;"
        )
        try:
            self._rows.execute("BEGIN")
            for number, row in enumerate(table_rows(path)):
                self._put(row, number)
            self._rows.execute("COMMIT")
        except BaseException:
            self.close()
            raise

    def _put(self, row: TableRow, number: int) -> None:
        name, error = row.data.get(self.key), row.error
        if not isinstance(name, str) or not name or not name.isprintable():
            name, error = f"%{number}", error or f"'{self.key}' names no file"
        if not error:
            try:
                data = known_keys({key: _parse_cell(key, value) for key, value in row.data.items() if key != self.key})
                text = json.dumps(data)
            except (ValueError, TypeError, RecursionError) as fault:
                text, error = "{}", str(fault)
        else:
            text = "{}"
        values = (name, row.where, text, error)
        if not self._rows.execute("INSERT OR IGNORE INTO annotations VALUES (?, ?, ?, ?, 0)", values).rowcount:
            self._rows.execute(
                "UPDATE annotations SET error = ? WHERE name = ?", (f"names '{name:.200}' a second time", name)
            )

    def annotations(self, name: str) -> dict[str, Any]:
        """The annotations of a file. Raises `ValueError` if it has no row, or a faulty one."""
        row = None
        if name.isprintable():
            row = self._rows.execute("SELECT place, data, error FROM annotations WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ValueError(f"{self.path} has no row whose '{self.key}' is '{name:.200}'")
        place, data, error = row
        self._rows.execute("UPDATE annotations SET used = 1 WHERE name = ?", (name,))
        if error:
            raise ValueError(f"{self.path}: {place}: {error}")
        found: dict[str, Any] = json.loads(data)
        return found

    def unused(self) -> Iterator[tuple[str, str]]:
        """The names in the table that `annotations` was never called with, each with an error message."""
        for name, place, error in self._rows.execute(
            "SELECT name, place, error FROM annotations WHERE NOT used ORDER BY name"
        ):
            yield name, f"{self.path}: {place}: {error or f'names {name:.200}, which is not there'}"

    def close(self) -> None:
        """Remove the database from the disk."""
        self._rows.close()
        self._folder.cleanup()


def _parse_cell(key: str, value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return parse_json(value.encode("utf-8", "surrogatepass")) if key == "objects" and isinstance(value, str) else value


def check_table(path: str, *, key: str) -> None:
    """Raise `ConfigError` if a table cannot be read, or has no column `key`."""
    found = read_columns(path)
    if key not in found:
        raise ConfigError(f"{path}: there is no column '{key}' that names files; {nearest(key, found)}")
