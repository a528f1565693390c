"""Reads tables row by row (CSV, JSON lines, Parquet), and the sources `manifest` and `pairs` in such files."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, NamedTuple

import fsspec

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import folder_of, reason, scheme_of
from datagen.sources import manifest
from datagen.sources.base import Source, SourceOptions, SourceRow
from datagen.sources.file_listing import check_scheme
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import (
    FIELDS,
    MEASURES,
    PAIR,
    PAIR_FIELDS,
    PICTURE,
    SCORED_PAIR_FIELDS,
    Form,
    ManifestRow,
    faulty_row,
    validate_row,
)


class PairsConfig(SourceOptions):
    """Pairs of pictures, before and after an edit, one a row: JSON lines, CSV or Parquet."""

    kind: Literal["pairs"] = "pairs"
    """A table with `id`, `uri` (before), `target_uri` (after), `text` (the instruction), and what else is known."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Table(self.path, form=PAIR)


LONGEST_CELL = 2**24
"""The longest cell of a CSV file that is read, in characters."""
_ROWS = 256
"""Rows of a Parquet file that are decoded at once."""
COLUMNS = tuple(ManifestRow.__annotations__)
_MATCH, _MASK = "annotated_match", "mask_uri"


class TableRow(NamedTuple):
    """One row of a table; `where` is its place, such as `line 7`. If it has an `error`, it could not be read."""

    where: str
    data: Mapping[str, Any]
    error: str = ""


def table_kind(path: str) -> str:
    """`csv`, `jsonl` or `parquet`, by the extension of a file. Raises `ConfigError` for any other."""
    name = path.lower().rpartition("/")[2]
    for kind, endings in _ENDINGS.items():
        if name.endswith(endings):
            return kind
    known = ", ".join(ending for endings in _ENDINGS.values() for ending in endings)
    raise ConfigError(f"{path}: what kind of table this is cannot be told from its name; it has to end in {known}")


_ENDINGS = {"jsonl": (".jsonl", ".ndjson"), "csv": (".csv", ".tsv"), "parquet": (".parquet",)}


def table_rows(path: str) -> Iterator[TableRow]:
    """The rows of a table. Raises `ConfigError` if the file cannot be read at all."""
    return _READERS[table_kind(path)](path)


def read_columns(path: str) -> Sequence[str]:
    """The column names of a CSV or Parquet table, or the keys of the first row of JSON lines."""
    if table_kind(path) == "parquet":
        with _opened(path) as file:
            return list(_parquet(path, file).schema_arrow.names)
    return list(next((row.data for row in table_rows(path) if not row.error), {}))


def check_columns(path: str, *, known: Collection[str], needed: Collection[str]) -> None:
    """Raise `ConfigError` if a table that is not empty has a column beyond `known`, or lacks one of `needed`."""
    found = read_columns(path)
    for column in found:
        if column not in known:
            raise ConfigError(f"{path}: the column '{column:.100}' means nothing; {nearest(column, known)}")
    for column in needed:
        if found and column not in found:
            raise ConfigError(f"{path}: the column '{column}' is missing; it has: {', '.join(found)}")


class Table:
    """A manifest as a table, whose columns are the keys of a manifest, or a table of pairs (`form`).

    In CSV, `objects` is JSON. An empty cell, and a null in Parquet, is a missing key.
    """

    def __init__(self, path: str, *, form: Form = PICTURE) -> None:
        self.path = path
        self._base = folder_of(path)
        self._form = form

    @cached_property
    def writes(self) -> tuple[str, ...]:
        """The fields that every row without an error has; score and mask of a pair if the file has that column."""
        if self._form is PICTURE:
            return FIELDS
        columns = read_columns(self.path)
        fields = SCORED_PAIR_FIELDS if _MATCH in columns else PAIR_FIELDS
        return (*fields, _MASK) if _MASK in columns else fields

    def check(self) -> None:
        """Raise `ConfigError` if a local file is missing, has no rows, has unknown columns, or lacks required ones."""
        check_scheme(self.path)
        if scheme_of(self.path) == "file":
            check_columns(self.path, known=tuple(self._form.row.__annotations__), needed=self._form.needed)
            if next(table_rows(self.path), None) is None:
                raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no rows"

    def rows(self) -> Iterator[SourceRow]:
        """One record for each row."""
        check_columns(self.path, known=tuple(self._form.row.__annotations__), needed=self._form.needed)
        yield from with_unique_ids(map(self._row, table_rows(self.path)), path=self.path, empty=self._empty())

    def count(self) -> int | None:
        """The number of rows; None if the file is not on this machine, or cannot be read."""
        if scheme_of(self.path) != "file":
            return None
        try:
            if table_kind(self.path) == "parquet":
                with _opened(self.path) as file:
                    return int(_parquet(self.path, file).metadata.num_rows)
            return sum(1 for _ in table_rows(self.path))
        except ConfigError:
            return None

    def _row(self, row: TableRow) -> SourceRow:
        name, where = f"%{row.where.replace(' ', '')}", f"{self.path}: {row.where}"
        if row.error:
            return faulty_row(name, f"{where}: {row.error}")
        try:
            data = {key: _convert_cell(key, value) for key, value in row.data.items() if value not in (None, "")}
            for name, missing in ((_MATCH, None), (_MASK, "")):
                if name in self.writes:
                    data.setdefault(name, missing)
                elif name in data and self._form is not PICTURE:
                    raise ValueError(f"has '{name}', which the first row has not: give it to every row, or to none")
        except (ValueError, RecursionError) as error:
            return faulty_row(name, f"{where}: {error}")
        return validate_row(data, base=self._base, where=where, name=name, form=self._form)


def _convert_cell(key: str, value: Any) -> Any:
    """A cell as the type that a manifest has for its key. Raises `ValueError`."""
    if key == "objects":
        value = parse_cell(key, value) if isinstance(value, str) else value
        return [_without_nulls(thing) for thing in value] if isinstance(value, list) else value
    if key == _MATCH and isinstance(value, str):
        try:
            return float(value)
        except ValueError as error:
            raise ValueError(f"'{key}' is {value[:40]!r}; it has to be a number") from error
    if key in MEASURES and isinstance(value, str):
        if not value.isascii() or not value.isdigit():
            raise ValueError(f"'{key}' is {value[:40]!r}; it has to be a whole number")
        return int(value[:18])
    return value


def parse_cell(key: str, text: str) -> Any:
    """The value of a cell that holds JSON, see `manifest.parse_json`. Raises `ValueError` that names the key."""
    try:
        return manifest.parse_json(text.encode("utf-8", "surrogateescape"))
    except ValueError as error:
        raise ValueError(
            f"'{key}' is {error}" if str(error).startswith("not valid") else f"'{key}': {error}"
        ) from error


def _without_nulls(thing: Any) -> Any:
    return {key: value for key, value in thing.items() if value is not None} if isinstance(thing, dict) else thing


def _opened(path: str) -> Any:
    try:
        return fsspec.open(path, "rb").open()
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; a relative path counts from here") from error
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(f"{path}: cannot be read: {reason(error)}") from error


def _csv_rows(path: str) -> Iterator[TableRow]:
    """The rows of a CSV file, with cells as text. Bytes that are no UTF-8 become lone surrogates, which fail only
    their row."""
    # A limit of the whole process: never lower what others set.
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    with _opened(path) as file:
        text = io.TextIOWrapper(_WithoutMark(file), encoding="utf-8", errors="surrogateescape", newline="")
        reader = csv.reader(text, delimiter="\t" if path.lower().endswith(".tsv") else ",")
        header: list[str] = []
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, OSError) as error:
                if isinstance(error, OSError):
                    raise ConfigError(f"{path}: cannot be read: {reason(error)}") from error
                yield TableRow(f"line {reader.line_num}", {}, f"not valid CSV: {error}")
                continue
            if not cells:
                continue
            if not header:
                header = _header(path, cells)
            else:
                yield _csv_row(header, cells, f"line {reader.line_num}")


class _WithoutMark(io.BufferedReader):
    """A file without the byte order mark that spreadsheets write at its start."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, 2**20)
        if self.peek(3)[:3] == codecs.BOM_UTF8:
            self.read(3)


def _header(path: str, cells: list[str]) -> list[str]:
    twice = next((cell for cell in cells if cells.count(cell) > 1), None)
    if twice is not None:
        raise ConfigError(f"{path}: the column '{twice:.100}' is there twice in the first line")
    return cells


def _csv_row(header: list[str], cells: list[str], where: str) -> TableRow:
    if len(cells) != len(header):
        return TableRow(where, {}, f"has {len(cells)} cells, the first line has {len(header)}")
    return TableRow(where, dict(zip(header, cells, strict=True)))


def _json_rows(path: str) -> Iterator[TableRow]:
    for number, line in manifest.read_lines(path):
        try:
            yield TableRow(f"line {number}", manifest.parse_object(line))
        except ValueError as error:
            yield TableRow(f"line {number}", {}, str(error))


def _parquet_rows(path: str) -> Iterator[TableRow]:
    import pyarrow as pa

    from datagen.fetch.cells import read_rows

    number = 0
    with _opened(path) as file:
        table = _parquet(path, file)
        try:
            for batch in table.iter_batches(_ROWS):
                for data, error in read_rows(batch):
                    yield TableRow(f"row {number}", data, error)
                    number += 1
        except (pa.ArrowException, OSError, ValueError, OverflowError, TypeError) as error:
            raise ConfigError(f"{path}: cannot be read from row {number} on: {str(error)[:200]}") from error


def _parquet(path: str, file: Any) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=2**20)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet: {str(error)[:200]}") from error


_READERS: dict[str, Callable[[str], Iterator[TableRow]]] = {
    "csv": _csv_rows,
    "jsonl": _json_rows,
    "parquet": _parquet_rows,
}
