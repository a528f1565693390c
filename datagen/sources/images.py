"""The source `images`: a folder, glob or bucket of pictures, with side-cars beside them or a table of annotations.

Only the names of the pictures are read here, and those of one folder at a time are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import Field

from datagen.core.errors import ConfigError
from datagen.fetch import reason, scheme_of
from datagen.sources.base import ForeignOptions, Source, SourceRow, escape_id
from datagen.sources.file_listing import FileListing, Folder
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import FIELDS, faulty_row, validate_row
from datagen.sources.sidecars import LARGEST, SidecarTable, check_table, parse_json_sidecar, parse_text_sidecar


class ImagesConfig(ForeignOptions):
    """A folder, glob or bucket of pictures, with annotations in files beside them or in a table."""

    kind: Literal["images"] = "images"
    """Pictures as files."""
    path: str = Field(min_length=1)
    """Address of the folder, with all below it; or a glob, such as photos/**/*.jpg."""
    table: str = ""
    """A CSV, JSON lines or Parquet file with caption, license, credit, session or objects of each picture."""
    table_key: str = "file_name"
    """The table's column with the pictures' paths from the folder."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        return Images(self.path, table=self.table, table_key=self.table_key, license=self.license, credit=self.credit)


ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_AT_ONCE = 256
"""Pictures whose side-cars are read concurrently."""


class Images:
    """One record for each picture. Its id is the path from the folder."""

    writes = FIELDS

    def __init__(self, path: str, *, table: str, table_key: str, license: str, credit: str) -> None:
        self.path = path
        self._listing = FileListing(path)
        self._table, self._key = table, table_key
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder is missing or has no picture, or if the table cannot be used."""
        self._listing.check_scheme()
        if self._table and scheme_of(self._table) == "file":
            check_table(self._table, key=self._key)
        if self._listing.is_local and next(self._files(), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no pictures; their names end in {', '.join(ENDINGS)}"

    def count(self) -> int | None:
        """The number of pictures; None if they are not on this machine."""
        return sum(len(files.files) for files in self._files()) if self._listing.is_local else None

    def rows(self) -> Iterator[SourceRow]:
        """The pictures by folder and name, then an error for each row of the table whose picture does not exist."""
        table = SidecarTable(self._table, key=self._key) if self._table else None
        try:
            yield from with_unique_ids(self._all(table), path=self.path, empty=self._empty())
        finally:
            if table is not None:
                table.close()

    def _all(self, table: SidecarTable | None) -> Iterator[SourceRow]:
        for folder in self._files():
            beside = self._listing.siblings(folder.path) if table is None else set()
            for first in range(0, len(folder.files), _AT_ONCE):
                yield from self._rows_of(folder.path, folder.files[first : first + _AT_ONCE], beside, table)
        if table is not None:
            for name, error in table.unused():
                yield faulty_row(f"%table:{name[:1000]}", error)

    def _files(self) -> Iterator[Folder]:
        if self._listing.is_file():
            raise ConfigError(f"{self.path}: is a file; give a folder or a glob, or another `kind` of source")
        for folder in self._listing.folders():
            files = [name for name in folder.files if name.lower().endswith(ENDINGS)]
            if files:
                yield Folder(folder.path, files)

    def _rows_of(
        self, folder: str, names: Sequence[str], beside: set[str], table: SidecarTable | None
    ) -> Iterator[SourceRow]:
        sidecars = {name: [side for side in _sidecar_names(name) if side in beside] for name in names}
        wanted = [f"{folder}{side}" for sides in sidecars.values() for side in sides]
        read = self._listing.read_some(wanted, most=LARGEST + 1)
        for name in names:
            path = f"{folder}{name}"
            where = f"{self._listing.base}{path}"
            data: dict[str, Any] = {"id": path, "uri": path, **self._default}
            try:
                if table is not None:
                    data.update(table.annotations(path))
                for side in sidecars[name]:  # the JSON file comes last, so its values win
                    data.update(_parse_sidecar(side, read[f"{folder}{side}"]))
            except (ValueError, RecursionError) as error:
                yield faulty_row(escape_id(path), f"{where}: {error}")
                continue
            yield validate_row(data, base=self._listing.base, where=where, name=f"%{path[:1000]}")


def _sidecar_names(name: str) -> tuple[str, ...]:
    stem = name.rpartition(".")[0]
    return f"{stem}.txt", f"{stem}.json"


def _parse_sidecar(side: str, data: bytes | Exception) -> dict[str, Any]:
    """The annotations in one side-car. Raises `ValueError`."""
    if isinstance(data, Exception):
        raise ValueError(f"{side} cannot be read: {reason(data)}") from data
    try:
        return parse_json_sidecar(data) if side.endswith(".json") else parse_text_sidecar(data)
    except ValueError as error:
        raise ValueError(f"{side}: {error}") from error
