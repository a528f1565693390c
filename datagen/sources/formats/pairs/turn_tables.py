"""What the sources of sessions share: tables, in a folder of their own, that name pictures in another folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from pydantic import Field

from datagen.core.errors import ConfigError
from datagen.sources.base import ForeignOptions, SourceRow
from datagen.sources.file_listing import FileListing, split_address
from datagen.sources.id_set import with_unique_ids
from datagen.sources.rows import PAIR_FIELDS
from datagen.sources.tables import TableRow, table_rows


class TurnTableOptions(ForeignOptions):
    """Options of the datasets of sessions that are tables."""

    path: str = Field(min_length=1)
    """Address of the folder of tables, with all below it, of one table, or a glob."""
    images: str = Field(min_length=1)
    """Address of the folder from which the tables' file names count."""
    group_by: str = "session"
    """Field whose equal values keep consecutive rows in one slice; '' for none."""


class TurnTables(ABC):
    """Reads the tables whose names end in one of `endings`, by file and row."""

    writes = PAIR_FIELDS
    endings: tuple[str, ...]

    def __init__(self, path: str, *, images: str, license: str, credit: str) -> None:
        self.path = path
        self.base = f"{images.rstrip('/')}/"
        """Address from which the names of pictures count."""
        self.default = {key: value for key, value in (("license", license), ("credit", credit)) if value}
        """Licence and author of pictures that name none."""
        self._listing = FileListing(path)

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no tables, or if the local folder of pictures is missing."""
        self._listing.check_scheme()
        if self._listing.is_local and next(self._files(), None) is None:
            raise ConfigError(self._empty())
        pictures = FileListing(self.base.rstrip("/"))
        if pictures.is_local:
            pictures.siblings("")

    def _empty(self) -> str:
        return f"{self.path}: holds no tables; their names end in {' or '.join(self.endings)}"

    def count(self) -> int | None:
        """None: it is unknown without reading all rows."""
        return None

    def rows(self) -> Iterator[SourceRow]:
        """The turns, file by file and row by row."""
        yield from with_unique_ids(self._all(), path=self.path, empty=self._empty())

    def _files(self) -> Iterator[tuple[str, str]]:
        """The address of each file, and the first part of the ids of its records."""
        if self._listing.is_file():
            listing, name = split_address(self.path)
            yield f"{listing.base}{name}", name.rpartition(".")[0]
            return
        for folder in self._listing.folders():
            for name in folder.files:
                if name.endswith(self.endings):
                    yield f"{self._listing.base}{folder.path}{name}", f"{folder.path}{name.rpartition('.')[0]}"

    def _all(self) -> Iterator[SourceRow]:
        for address, name in self._files():
            for row in table_rows(address):
                yield from self.turns(row, f"{address}: {row.where}", f"{name}/{row.where.rpartition(' ')[2]}")

    @abstractmethod
    def turns(self, row: TableRow, where: str, id: str) -> Iterator[SourceRow]:
        """The records of one row. `where` is its place, for errors; `id` is its file and number."""
