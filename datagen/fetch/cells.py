"""Reads the rows of Parquet and Arrow files, and pictures from their cells.

A worker reads one table after another, each in the order of its rows. So each thread keeps its last table open, with
the rows that were decoded last: the next row is then read without a search from the start.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from datagen.core.errors import DataError
from datagen.fetch.addresses import FilePart

_ROWS = 8
"""Pictures of a Parquet file that are decoded at once."""
# What pyarrow raises for a value that is damaged, or that Python cannot hold.
_UNREADABLE = (pa.ArrowException, ValueError, OverflowError, TypeError)
# What it raises for damaged or foreign bytes anywhere.
_FAULTS = (*_UNREADABLE, KeyError, IndexError, NotImplementedError, MemoryError)


class _ColumnReader:
    """One column of a table, read forwards. A row of another row group, or before the last one, restarts reading."""

    def __init__(self, part: FilePart, filesystem: Any, path: str) -> None:
        self._column = part.second
        self._source = path if isinstance(filesystem, LocalFileSystem) else filesystem.open(path, "rb")
        self._group = -1
        self._starts = [0]
        self._table: pq.ParquetFile | None = None
        if part.scheme == "parquet":
            self._table = pq.ParquetFile(self._source, pre_buffer=False, buffer_size=2**20)
            for group in range(self._table.num_row_groups):
                self._starts.append(self._starts[-1] + self._table.metadata.row_group(group).num_rows)
        self._chunks: Iterator[Any] = iter(())
        self._chunk: Any = None
        self._value: Callable[[int], Any]
        self._first = 0

    def cell(self, row: int) -> Any:
        """The value in row `row`, from 0, as a Python object. Raises `DataError` if the table has fewer rows."""
        group = self._group_of(row)
        if group != self._group or self._chunk is None or row < self._first:
            self._chunks, self._first, self._chunk, self._group = self._begin(group), self._starts[group], None, group
        while self._chunk is None or row >= self._first + len(self._chunk):
            self._first += len(self._chunk) if self._chunk is not None else 0
            self._chunk = next(self._chunks, None)
            if self._chunk is None:
                raise DataError(f"has {self._first} rows, number {row} was asked for (the first is 0)")
            self._value = _value_reader(self._chunk)
        return self._value(row - self._first)

    def _group_of(self, row: int) -> int:
        if self._table is None:
            return 0
        if row >= self._starts[-1]:
            raise DataError(f"has {self._starts[-1]} rows, number {row} was asked for (the first is 0)")
        return next(group for group, end in enumerate(self._starts[1:]) if row < end)

    def _begin(self, group: int) -> Iterator[Any]:
        if self._table is not None:
            batches = self._table.iter_batches(_ROWS, row_groups=[group], columns=[self._column])
        else:
            batches = arrow_batches(self._source)
        for batch in batches:
            yield batch.column(self._column)


def read_rows(batch: pa.RecordBatch) -> Iterator[tuple[dict[str, Any], str]]:
    """The rows of a batch, each with ''; a row with a value that cannot be read is empty, and has an error."""
    try:
        batch.validate(full=True)
        rows = [(row, "") for row in batch.to_pylist()]
    except _UNREADABLE:
        values = {name: _value_reader(batch.column(at)) for at, name in enumerate(batch.schema.names)}
        rows = [_read_row(values, number) for number in range(batch.num_rows)]
    yield from rows


def _read_row(values: dict[str, Callable[[int], Any]], number: int) -> tuple[dict[str, Any], str]:
    row = {}
    for name, value in values.items():
        try:
            row[name] = value(number)
        except _UNREADABLE as error:
            return {}, f"cannot be read: column '{name:.100}': {_first_line(error)}"
    return row, ""


def _value_reader(column: pa.Array) -> Callable[[int], Any]:
    """A function that reads the value in a row of a column, and raises for that value's own faults alone.

    The bytes are not ours: offsets in them may point anywhere, so nothing is read before it is validated.
    """
    try:
        column.validate(full=True)
    except _UNREADABLE:
        cut = _cutter(column)
        return lambda row: _validated(cut(row))[0].as_py()
    return lambda row: column[row].as_py()


def _cutter(column: pa.Array) -> Callable[[int], pa.Array]:
    """A function that gives one value of a column as an array.

    A slice keeps all that its lists and structs hold, faults included. So the value is copied if the offsets permit it:
    if the same bytes are valid as a type of no text, time or decimal. A type without such a view (a dictionary) is
    sliced, and its values may fail together.
    """
    try:
        _validated(column.view(_layout(column.type)))
    except _FAULTS:
        return lambda row: column.slice(row, 1)
    return lambda row: column.take(pa.array([row]))


def _validated(column: pa.Array) -> pa.Array:
    column.validate(full=True)
    return column


def _layout(kind: pa.DataType) -> pa.DataType:
    """A type of the same buffers, in which any bytes and numbers are valid."""
    if pa.types.is_string(kind):
        return pa.binary()
    if pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_decimal(kind):
        return pa.binary(kind.byte_width)
    if pa.types.is_temporal(kind):
        return {32: pa.int32(), 64: pa.int64()}.get(kind.bit_width, kind)
    if pa.types.is_struct(kind):
        return pa.struct([_loose(field) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_loose(kind.key_field), _loose(kind.item_field))
    if pa.types.is_list(kind):
        return pa.list_(_loose(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(_loose(kind.value_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_loose(kind.value_field), kind.list_size)
    return kind


def _loose(field: pa.Field) -> pa.Field:
    return field.with_type(_layout(field.type))


def arrow_batches(source: Any) -> Iterator[pa.RecordBatch]:
    """The record batches of an Arrow file, or of an Arrow stream, which `datasets` gives the same ending.

    A path is memory-mapped; any other source is a file object and is read.
    """
    mapped = pa.memory_map(source) if isinstance(source, str) else pa.PythonFile(source, mode="r")
    if mapped.read(6) == b"ARROW1":
        file = pa.ipc.open_file(mapped)
        for number in range(file.num_record_batches):
            yield file.get_batch(number)
        return
    mapped.seek(0)
    yield from pa.ipc.open_stream(mapped)


class _LastTable(threading.local):
    """The table that a thread read last."""

    key: tuple[str, str, str] | None = None
    reader: _ColumnReader | None = None


_LAST = _LastTable()


def read_cell(part: FilePart, filesystem: Any, path: str) -> bytes:
    """The bytes of the picture in a cell, which holds bytes or the struct `{bytes, path}` of `datasets`.

    Raises `DataError` if the table cannot be read, or if the cell holds no picture.
    """
    key = (part.scheme, part.second, part.address)
    try:
        if _LAST.key != key or _LAST.reader is None:
            _LAST.key, _LAST.reader = None, None
            _LAST.reader = _ColumnReader(part, filesystem, path)
            _LAST.key = key
        value = _LAST.reader.cell(part.first)
    except _FAULTS as error:
        _LAST.key, _LAST.reader = None, None
        raise DataError(f"cannot be read as {part.scheme.capitalize()}: {_first_line(error)}") from error
    return _picture(value, part)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


def _picture(value: Any, part: FilePart) -> bytes:
    where = f"row {part.first}, column '{part.second:.100}'"
    if isinstance(value, dict) and isinstance(value.get("path"), str) and not value.get("bytes"):
        raise DataError(f"{where} holds only a file's name, {value['path']:.200}; store the pictures themselves")
    data = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(data, bytes):
        raise DataError(f"{where} holds {type(data).__name__}, not the bytes of a picture")
    return data
