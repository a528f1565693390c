"""A Hugging Face dataset on disk: Parquet files, or the Arrow files that `save_to_disk` writes.

The layouts are those that `datasets` reads: a repository of `.parquet` files,
whose names or folders begin with their split; or a folder with `state.json`,
which lists its Arrow files; or one with `dataset_dict.json` and such a folder
for each split. A picture is bytes, or a struct of `bytes` and `path`. Nothing
of `datasets` is run, so no code of a dataset's is either. The columns of texts
are read in the driver, that of the pictures in the workers, cell by cell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from datagen.errors import ConfigError, nearest
from datagen.fetch import scheme_of
from datagen.fetch.places import cell_of
from datagen.sources.base import SourceRow, escaped
from datagen.sources.places import Place
from datagen.sources.rows import FIELDS, checked, faulty
from datagen.sources.seen import once

STATE, SPLITS = "state.json", "dataset_dict.json"
_ROWS = 256
_MOST_JSON = 2**24
_SPLIT = re.compile(r"^([a-zA-Z_]+)(-\d{5}-of-\d{5}.*)?\.parquet$")


class _File(NamedTuple):
    scheme: str
    path: str


class HuggingFace:
    """One record a row; its id is a column's, or the file and the row's number."""

    writes = FIELDS

    def __init__(self, path: str, *, split: str, image: str, columns: Mapping[str, str], default: Mapping[str, str]):
        self.path = path
        self._place = Place(path)
        self._split, self._image = split, image
        self._columns = {field: column for field, column in columns.items() if column}
        self._default = {field: text for field, text in default.items() if text}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or their first one no such columns."""
        self._place.check_scheme()
        if not self._place.is_local:
            return
        first = next(self._files(), None)
        if first is not None:
            self._check_columns(first, self.columns())
        else:
            raise ConfigError(self._empty())

    def columns(self) -> list[str]:
        """The names of the first file's columns. Raises `ConfigError` if there is none."""
        first = next(self._files(), None)
        if first is None:
            raise ConfigError(self._empty())
        with self._place.open(first.path) as file:
            return list(_schema(first, file, self._address(first)))

    def _empty(self) -> str:
        return f"{self.path}: holds no .parquet files, and is nothing that save_to_disk wrote ({STATE}, {SPLITS})"

    def _address(self, file: _File) -> str:
        return f"{self._place.base}{file.path}"

    def count(self) -> int | None:
        """How many rows local Parquet files have; None elsewhere."""
        if not self._place.is_local:
            return None
        total = 0
        for found in self._files():
            if found.scheme != "parquet":
                return None
            with self._place.open(found.path) as file:
                total += _parquet(file, self._address(found)).metadata.num_rows
        return total

    def rows(self) -> Iterator[SourceRow]:
        """Rows of each file, files by name, or as the dataset's state lists them."""
        yield from once(self._all(), place=self.path, empty=self._empty())

    def _all(self) -> Iterator[SourceRow]:
        for found in self._files():
            address = self._address(found)
            with self._place.open(found.path) as file:
                self._check_columns(found, _schema(found, file, address))
                wanted = [*dict.fromkeys(self._columns.values())]
                for number, values in enumerate(_values(found, file, wanted, address)):
                    yield self._row(found, number, values)

    def _row(self, found: _File, number: int, values: Mapping[str, Any]) -> SourceRow:
        where = f"{self._address(found)}: row {number}"
        name = f"{found.path.rpartition('.')[0]}/{number}"
        data: dict[str, Any] = {"id": name, **self._default}
        data["uri"] = cell_of(found.path, scheme=found.scheme, row=number, column=self._image)
        for field, column in self._columns.items():
            value = values[column]
            if field == "caption" and isinstance(value, list):
                value = value[0] if value else None
            if field == "id" and isinstance(value, int):
                value = str(value)
            if field == "id" and not value:
                return faulty(escaped(name), f"{where}: the column '{column}' is empty, but ids are taken from it")
            if value is not None:
                data[field] = value
        return checked(data, base=self._place.base, where=where, name=escaped(name))

    def _check_columns(self, found: _File, names: Sequence[str]) -> None:
        for option, column in {"image": self._image, **self._columns}.items():
            if column not in names:
                key = "image_column" if option == "image" else f"{option}_column"
                raise ConfigError(
                    f"{self._address(found)}: there is no column '{column}' (`{key}`); {nearest(column, names)}"
                )

    def _files(self) -> Iterator[_File]:
        """The files of the split, or of all splits where none is named."""
        if self._place.is_file():
            raise ConfigError(f"{self.path}: is a file; give the folder of the dataset, or a glob")
        if self._place.pattern:
            yield from self._parquets()
            return
        names = self._place.siblings("")
        if SPLITS in names:
            yield from self._of_splits()
        elif STATE in names:
            yield from self._of_state("")
        else:
            yield from self._parquets()

    def _parquets(self) -> Iterator[_File]:
        splits: set[str] = set()
        found = False
        for folder in self._place.folders():
            for name in folder.files:
                if name.endswith(".parquet"):
                    split = _split_of(folder.path, name)
                    splits.add(split)
                    if self._split in ("", split):
                        found = True
                        yield _File("parquet", f"{folder.path}{name}")
        if splits and not found:
            raise ConfigError(f"{self.path}: has no split '{self._split}'; {nearest(self._split, splits)}")

    def _of_splits(self) -> Iterator[_File]:
        known = _names(self._json(SPLITS).get("splits"), f"{self._place.base}{SPLITS}: `splits`")
        if self._split and self._split not in known:
            raise ConfigError(f"{self.path}: has no split '{self._split}'; {nearest(self._split, known)}")
        for split in [self._split] if self._split else sorted(known):
            yield from self._of_state(f"{split}/")

    def _of_state(self, folder: str) -> Iterator[_File]:
        where = f"{self._place.base}{folder}{STATE}: `_data_files`"
        listed = self._json(f"{folder}{STATE}").get("_data_files")
        files = [entry.get("filename") if isinstance(entry, dict) else None for entry in _list(listed, where)]
        for name in _names(files, where):
            yield _File("arrow", f"{folder}{name}")

    def _json(self, path: str) -> dict[str, Any]:
        with self._place.open(path) as file:
            data = file.read(_MOST_JSON)
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self._place.base}{path}: is not valid JSON: {error}") from error
        if not isinstance(found, dict):
            raise ConfigError(f"{self._place.base}{path}: holds {type(found).__name__}, not a JSON object")
        return found


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{where} is no list; this is nothing that save_to_disk wrote")
    return value


def _names(value: Any, where: str) -> list[str]:
    """Names of files or folders in one folder. Raises `ConfigError` for what leads out of it."""
    for name in _list(value, where):
        if not isinstance(name, str) or not name or "/" in name or "\\" in name or name in (".", ".."):
            raise ConfigError(f"{where} names {json.dumps(name):.200}, which is no file beside it")
    return list(value)


def _split_of(folder: str, name: str) -> str:
    """The split of a Parquet file, by its own name or that of its folder; '' if neither tells."""
    match = _SPLIT.match(name)
    inside = folder.rstrip("/").rpartition("/")[2]
    if match and (match[2] or inside in ("", "data")):
        return match[1]
    return inside


def _parquet(file: Any, address: str) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=2**20)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(f"{address}: cannot be read as Parquet: {str(error)[:200]}") from error


def _schema(found: _File, file: Any, address: str) -> Sequence[str]:
    """The names of a file's columns."""
    import pyarrow as pa

    if found.scheme == "parquet":
        return list(_parquet(file, address).schema_arrow.names)
    try:
        head = file.read(6)
        file.seek(0)
        opened = pa.ipc.open_file(file) if head == b"ARROW1" else pa.ipc.open_stream(file)
        names = list(opened.schema.names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ConfigError(f"{address}: cannot be read as Arrow: {str(error)[:200]}") from error
    file.seek(0)
    return names


def _values(found: _File, file: Any, wanted: list[str], address: str) -> Iterator[dict[str, Any]]:
    """The wanted columns, row by row. Raises `ConfigError` where the file cannot be read further."""
    import pyarrow as pa

    from datagen.fetch.cells import arrow_batches

    number = 0
    try:
        if found.scheme == "parquet":
            table = _parquet(file, address)
            if not wanted:
                yield from ({} for _ in range(table.metadata.num_rows))
                return
            batches = table.iter_batches(_ROWS, columns=wanted)
        else:
            name = getattr(file, "name", None)
            batches = arrow_batches(name if isinstance(name, str) and scheme_of(address) == "file" else file)
        for batch in batches:
            columns = [batch.column(name) for name in wanted]
            for column in columns:
                column.validate(full=True)
            for row in range(batch.num_rows):
                yield {name: column[row].as_py() for name, column in zip(wanted, columns, strict=True)}
                number += 1
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{address}: cannot be read from row {number} on: {told[:200]}") from error


__all__ = ["HuggingFace"]
