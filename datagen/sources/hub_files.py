"""Finds and reads the files of a Hugging Face dataset on disk: Parquet, or the Arrow files of `save_to_disk`.

Three layouts of `datasets` are understood: a repository of `.parquet` files, whose names or folders begin with their
split; a folder with `state.json`, which lists its Arrow files; a folder with `dataset_dict.json` and such a folder for
each split. The package `datasets` is not used, so that no code from a dataset's repository can run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import scheme_of
from datagen.fetch.addresses import cell_address
from datagen.sources.file_listing import FileListing
from datagen.sources.tables import TableRow

STATE, SPLITS = "state.json", "dataset_dict.json"
_ROWS = 256
_MOST_JSON = 2**24
_SPLIT = re.compile(r"^([a-zA-Z_]\w*)(-\d{5}-of-\d{5}.*)?\.parquet$")


class HubFile(NamedTuple):
    """One file of a dataset, by its path from the dataset's folder."""

    scheme: str
    """`parquet` or `arrow`."""
    path: str

    @property
    def stem(self) -> str:
        """The path without its extension."""
        return self.path.rpartition(".")[0]

    def cell(self, *, row: int, column: str) -> str:
        """The address of one cell, relative to the dataset's folder; `row` counts from 0 in this file."""
        return cell_address(self.path, scheme=self.scheme, row=row, column=column)


class HubFiles:
    """The files of a dataset, or of one of its splits; sorted by name, or in the order of `state.json`.

    Iterating raises `ConfigError` if a file of the layout cannot be read, or if there is no such split.
    """

    def __init__(self, path: str, *, split: str) -> None:
        self.path = path
        self.listing = FileListing(path)
        self._split = split

    @property
    def base(self) -> str:
        """The folder to which the addresses of cells are relative."""
        return self.listing.base

    @property
    def empty(self) -> str:
        """The error message for a folder without such files."""
        return f"{self.path}: holds no .parquet files, and is nothing that save_to_disk wrote ({STATE}, {SPLITS})"

    def address(self, file: HubFile) -> str:
        """The full address of a file."""
        return f"{self.base}{file.path}"

    def first(self) -> HubFile:
        """The first file. Raises `ConfigError` if there is none."""
        found = next(iter(self), None)
        if found is None:
            raise ConfigError(self.empty)
        return found

    def columns(self, file: HubFile) -> list[str]:
        """The names of a file's columns."""
        with self.listing.open(file.path) as opened:
            return list(_schema(file, opened, self.address(file)))

    def count(self) -> int | None:
        """The number of rows of local Parquet files; None for other files."""
        if not self.listing.is_local:
            return None
        total = 0
        for found in self:
            if found.scheme != "parquet":
                return None
            with self.listing.open(found.path) as file:
                total += _parquet(file, self.address(found)).metadata.num_rows
        return total

    @contextmanager
    def rows(self, file: HubFile, wanted: list[str]) -> Iterator[Iterator[TableRow]]:
        """An iterator over a file's rows, with the columns `wanted` only; `where` has the file's address too.

        A row with a value that cannot be read has an error. Raises `ConfigError` if the file itself is damaged.
        """
        with self.listing.open(file.path) as opened:
            yield _rows(file, opened, wanted, self.address(file))

    def __iter__(self) -> Iterator[HubFile]:
        if self.listing.is_file():
            raise ConfigError(f"{self.path}: is a file; give the folder of the dataset, or a glob")
        if self.listing.pattern:
            yield from self._parquets()
            return
        names = self.listing.siblings("")
        if SPLITS in names:
            yield from self._of_splits()
        elif STATE in names:
            yield from self._of_state("")
        else:
            yield from self._parquets()

    def _parquets(self) -> Iterator[HubFile]:
        splits: set[str] = set()
        found = False
        for folder in self.listing.folders():
            for name in folder.files:
                if name.endswith(".parquet"):
                    split = _split_of(folder.path, name)
                    splits.add(split)
                    if self._split in ("", split):
                        found = True
                        yield HubFile("parquet", f"{folder.path}{name}")
        if splits and not found:
            raise ConfigError(f"{self.path}: has no split '{self._split}'; {nearest(self._split, splits)}")

    def _of_splits(self) -> Iterator[HubFile]:
        known = _names(self._json(SPLITS).get("splits"), f"{self.listing.base}{SPLITS}: `splits`")
        if self._split and self._split not in known:
            raise ConfigError(f"{self.path}: has no split '{self._split}'; {nearest(self._split, known)}")
        for split in [self._split] if self._split else sorted(known):
            yield from self._of_state(f"{split}/")

    def _of_state(self, folder: str) -> Iterator[HubFile]:
        where = f"{self.listing.base}{folder}{STATE}: `_data_files`"
        listed = self._json(f"{folder}{STATE}").get("_data_files")
        files = [entry.get("filename") if isinstance(entry, dict) else None for entry in _list(listed, where)]
        for name in _names(files, where):
            yield HubFile("arrow", f"{folder}{name}")

    def _json(self, path: str) -> dict[str, Any]:
        with self.listing.open(path) as file:
            data = file.read(_MOST_JSON)
        try:
            found = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{self.listing.base}{path}: is not valid JSON: {error}") from error
        if not isinstance(found, dict):
            raise ConfigError(f"{self.listing.base}{path}: holds {type(found).__name__}, not a JSON object")
        return found


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"{where} is no list; this is nothing that save_to_disk wrote")
    return value


def _names(value: Any, where: str) -> list[str]:
    """Check a list of names of files or folders in one folder. Raises `ConfigError` for a path that leads out of it."""
    for name in _list(value, where):
        if not isinstance(name, str) or not name or "/" in name or "\\" in name or name in (".", ".."):
            raise ConfigError(f"{where} names {json.dumps(name):.200}, which is no file beside it")
    return list(value)


def _split_of(folder: str, name: str) -> str:
    """The split of a Parquet file, from its name or that of its folder; '' if neither has one."""
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


def _schema(found: HubFile, file: Any, address: str) -> Sequence[str]:
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


def _rows(found: HubFile, file: Any, wanted: list[str], address: str) -> Iterator[TableRow]:
    """The columns `wanted`, row by row. Raises `ConfigError` at damage."""
    import pyarrow as pa

    from datagen.fetch.cells import arrow_batches, read_rows

    number = 0
    try:
        if found.scheme == "parquet":
            table = _parquet(file, address)
            if not wanted:
                yield from (TableRow(f"{address}: row {row}", {}) for row in range(table.metadata.num_rows))
                return
            batches = table.iter_batches(_ROWS, columns=wanted)
        else:
            # A path is memory-mapped, a file object is read.
            name = getattr(file, "name", None)
            batches = arrow_batches(name if isinstance(name, str) and scheme_of(address) == "file" else file)
        for batch in batches:
            for data, error in read_rows(batch.select(wanted)):
                yield TableRow(f"{address}: row {number}", data, error)
                number += 1
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"{address}: cannot be read from row {number} on: {message[:200]}") from error
