"""The source `manifest` as JSON lines: one picture with its objects on each line.

A line is `{"id", "uri", "sha256", "license", "credit", "caption", "session",
"objects": [{"label", "box", "polygons", "mask", "attributes"}], "width", "height",
"bytes"}`. Only `id` and `uri` are required, and the last three are only for people.
A faulty line becomes a failed record with its id, or with the id `%line<number>` if
it has none. In a box, NaN and infinity are read as null, which stands for a number
that is not finite: it fails only that object.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Iterator
from typing import IO, Any, Literal

import fsspec
from pydantic import ValidationError

from datagen.core.errors import ConfigError
from datagen.core.fields import INT64
from datagen.fetch import folder_of, reason, scheme_of
from datagen.sources.base import Source, SourceOptions, SourceRow
from datagen.sources.file_listing import check_scheme
from datagen.sources.id_set import IdSet
from datagen.sources.rows import FARTHEST, FIELDS, MEASURES, ROW, ManifestRow, build_row, faulty_row, validate_row

__all__ = [
    "FARTHEST",
    "LONGEST_LINE",
    "Manifest",
    "ManifestConfig",
    "parse_json",
    "parse_object",
    "read_lines",
    "whole_number",
]


class ManifestConfig(SourceOptions):
    """Pictures and their annotations, one a row: JSON lines, CSV or Parquet."""

    kind: Literal["manifest"] = "manifest"
    """A `.jsonl`, `.csv`, `.tsv` or `.parquet` file that datagen or a person wrote."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.tables import Table  # which reads JSON lines by this module

        return Table(self.path) if self.path.lower().endswith((".csv", ".tsv", ".parquet")) else Manifest(self.path)


LONGEST_LINE = 64 * 2**20
"""The longest line that is read, in bytes; a longer one fails."""

_JSON = ROW.validator.validate_json


class Manifest:
    """One record for each line of a manifest file, at any fsspec address."""

    writes = FIELDS

    def __init__(self, path: str) -> None:
        self.path = path
        self._base = folder_of(path)

    def check(self) -> None:
        """Raise `ConfigError` if a local file is missing or has no rows, or if no filesystem has the scheme."""
        check_scheme(self.path)
        if scheme_of(self.path) == "file" and next(read_lines(self.path), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no rows; a manifest has one JSON object a line"

    def rows(self) -> Iterator[SourceRow]:
        """One row for each line that is not blank."""
        ids = IdSet()
        number = 0
        for number, line in read_lines(self.path):
            row = self._row(line, number)
            if not ids.add(row.id):
                used = f"{self.path}:{number}: the id '{row.id[:200]}' was used above"
                row = SourceRow(f"{row.id}%line{number}", {}, f"{row.error}; {used}" if row.error else used)
            yield row
        if number == 0:
            raise ConfigError(self._empty())

    def count(self) -> int | None:
        """The number of rows; None if the file is not on this machine, or cannot be read."""
        if scheme_of(self.path) != "file":
            return None
        try:
            return sum(1 for _ in read_lines(self.path))
        except ConfigError:
            return None

    def _row(self, line: bytes, number: int) -> SourceRow:
        row = _parse_fast(line)
        if row is not None:
            return build_row(row, base=self._base)
        name, where = f"%line{number}", f"{self.path}:{number}"
        try:
            return validate_row(parse_object(line), base=self._base, where=where, name=name)
        except ValueError as error:
            return faulty_row(name, f"{where}: {error}")


def read_lines(path: str) -> Iterator[tuple[int, bytes]]:
    """The lines of a file that are not blank, each with its number from 1; a line that is too long is cut.

    Raises `ConfigError`.
    """
    try:
        # fsspec's remote files do not support `readline(limit)`.
        with fsspec.open(path, "rb") as file, io.BufferedReader(file, 2**20) as buffered:
            for number, line in enumerate(_split_lines(buffered), 1):
                if line.strip(_BLANK):
                    yield number, line
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such manifest; a relative path counts from here") from error
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"{path}: cannot be read as a manifest: {reason(error)}") from error


def _parse_fast(line: bytes) -> ManifestRow | None:
    """The row on a line without peculiarities; None for any other line: `parse_object` is slower, but its errors are
    exact."""
    # An escaped quote would spoil the count of quotes below.
    if b"\\" in line or len(line) > LONGEST_LINE:
        return None
    try:
        row: ManifestRow = _JSON(line)
    except ValidationError:
        return None
    return row if line.count(b'"') == 2 * _count_texts(row) else None  # a key that is there twice has too many quotes


def _count_texts(row: ManifestRow) -> int:
    """The number of quoted strings, keys and values, in the JSON text of a row."""
    number = 2 * len(row) - ("objects" in row) - sum(name in row for name in MEASURES)
    for thing in row.get("objects", ()):
        number += len(thing) + 1 + len(thing.get("attributes", ())) + len(thing.get("mask") or ())
    return number


def _split_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; one longer than `LONGEST_LINE` is cut to one byte more than that."""
    while line := file.readline(LONGEST_LINE + 1):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST_LINE)
        yield line


def parse_object(line: bytes) -> dict[str, Any]:
    """The JSON object on a line. Raises `ValueError`."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f"the line is longer than {LONGEST_LINE:,} bytes")
    data = parse_json(line)
    if not isinstance(data, dict):
        raise ValueError(f"a line is one JSON object, this one is {_JSON_NAMES[type(data)]}")
    return data


def parse_json(text: bytes) -> Any:
    """The value of a JSON text, with null for numbers that are not finite.

    A whole number of more than 64 bits becomes a float, or null where no float is as large. Raises `ValueError`, also
    for a key that an object has twice.
    """
    decoder = _DECODER if _LONG_NUMBER.search(text) is None else _LONG_DECODER
    try:
        return decoder.decode(text.decode("utf-8-sig" if text.startswith(_MARK) else "utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"not valid JSON: {error.msg} at character {error.pos + 1}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"not valid UTF-8: {error.reason} at byte {error.start + 1}") from error
    except RecursionError as error:
        raise ValueError("not valid JSON: nested too deep") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice:.100}' is there twice")
    return found


_MARK = b"\xef\xbb\xbf"
_BLANK = _MARK + b" \t\r\n"


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def whole_number(text: str) -> int | float | None:
    """A whole number of at most 64 bits; a longer one as a float, or None where no float is as large."""
    # `int` refuses text of more than 4300 digits
    return int(text) if len(text) <= 20 and int(text) in INT64 else _finite(text)


_LONG_NUMBER = re.compile(rb"\d{19}")
_DECODER = json.JSONDecoder(parse_constant=lambda _: None, parse_float=_finite, object_pairs_hook=_object)
_LONG_DECODER = json.JSONDecoder(
    parse_constant=lambda _: None, parse_float=_finite, parse_int=whole_number, object_pairs_hook=_object
)
"""For a text with a number so long that it may have more than 64 bits; it calls a function for each whole number."""

_JSON_NAMES = {
    list: "a list",
    str: "text",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}
