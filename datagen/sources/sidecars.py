"""What is told of a picture beside it: a text file with its caption, a JSON file, or a row of a table."""

from __future__ import annotations

import json
import math
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from datagen.core.errors import ConfigError, nearest
from datagen.sources.manifest import document
from datagen.sources.tables import TableRow, columns_of, table_rows

KEYS = ("caption", "license", "credit", "session", "objects")
"""What may be told of a picture; other keys are passed over."""
LARGEST = 16 * 2**20
"""Bytes of one side-car."""
_CLOSE = 0.8
"""How alike an unknown key and a known one are, 0 to 1, so that the first is taken for a slip."""


def from_json(data: bytes) -> dict[str, Any]:
    """What a JSON side-car tells. Raises `ValueError`."""
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST:,} bytes")
    found = document(data)
    if not isinstance(found, dict):
        raise ValueError(f"holds {type(found).__name__}, not a JSON object")
    return from_mapping(found)


def from_text(data: bytes) -> dict[str, Any]:
    """The caption in a text side-car. Raises `ValueError`."""
    if len(data) > LARGEST:
        raise ValueError(f"is larger than {LARGEST:,} bytes")
    try:
        return {"caption": data.decode("utf-8-sig").strip()}
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid UTF-8: {error.reason} at byte {error.start + 1}") from error


def from_mapping(data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys that mean something here. Raises `ValueError` for one that is all but spelt like them."""
    for key in data:
        if key not in KEYS and (close := get_close_matches(key.lower()[:40], KEYS, n=1, cutoff=_CLOSE)):
            raise ValueError(f"unknown key '{key:.40}'; did you mean '{close[0]}'?")
    return {key: data[key] for key in KEYS if data.get(key) not in (None, "")}


class Told:
    """A table of what is told of each file, on disk, by the files' names."""

    def __init__(self, path: str, *, key: str) -> None:
        self.path, self.key = path, key
        self._folder = tempfile.TemporaryDirectory(prefix="datagen-")
        self._rows = sqlite3.connect(f"{self._folder.name}/told.sqlite", isolation_level=None)
        self._rows.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE told (name TEXT PRIMARY KEY, place TEXT, data TEXT, error TEXT, used INTEGER) WITHOUT ROWID;"
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
                data = from_mapping({key: _read(key, value) for key, value in row.data.items() if key != self.key})
                text = json.dumps(data)
            except (ValueError, TypeError, RecursionError) as fault:
                text, error = "{}", str(fault)
        else:
            text = "{}"
        values = (name, row.where, text, error)
        if not self._rows.execute("INSERT OR IGNORE INTO told VALUES (?, ?, ?, ?, 0)", values).rowcount:
            self._rows.execute("UPDATE told SET error = ? WHERE name = ?", (f"names '{name:.200}' a second time", name))

    def of(self, name: str) -> dict[str, Any]:
        """What is told of a file. Raises `ValueError` if that is nothing, or is wrong."""
        row = None
        if name.isprintable():
            row = self._rows.execute("SELECT place, data, error FROM told WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise ValueError(f"{self.path} has no row whose '{self.key}' is '{name:.200}'")
        place, data, error = row
        self._rows.execute("UPDATE told SET used = 1 WHERE name = ?", (name,))
        if error:
            raise ValueError(f"{self.path}: {place}: {error}")
        found: dict[str, Any] = json.loads(data)
        return found

    def unused(self) -> Iterator[tuple[str, str]]:
        """Names that no file has, each with what is wrong with it."""
        for name, place, error in self._rows.execute(
            "SELECT name, place, error FROM told WHERE NOT used ORDER BY name"
        ):
            yield name, f"{self.path}: {place}: {error or f'names {name:.200}, which is not there'}"

    def close(self) -> None:
        """Remove it from the disk."""
        self._rows.close()
        self._folder.cleanup()


def _read(key: str, value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return document(value.encode("utf-8", "surrogatepass")) if key == "objects" and isinstance(value, str) else value


def check_table(path: str, *, key: str) -> None:
    """Raise `ConfigError` if a table cannot be read, or has no column of that name."""
    found = columns_of(path)
    if key not in found:
        raise ConfigError(f"{path}: there is no column '{key}' that names files; {nearest(key, found)}")
