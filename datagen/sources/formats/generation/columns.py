"""Reads known columns of a published dataset in Parquet or Arrow files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError, nearest
from datagen.sources.hub_files import HubFile, HubFiles


class HubRow(NamedTuple):
    """The values of the read columns in one row of a dataset."""

    file: HubFile
    number: int
    where: str
    """The file and the row, for error messages."""
    values: Mapping[str, Any]
    error: str
    """Why the row cannot be read; then it has no values. Else ''."""

    @property
    def name(self) -> str:
        """The file's path without extension, and the row's number from 0; the default id of its record."""
        return f"{self.file.stem}/{self.number}"


class Columns:
    """Reads the columns `read` row by row. The columns `unread` must exist, but only workers read them."""

    def __init__(self, path: str, read: Sequence[str], *, unread: Sequence[str] = ()) -> None:
        self.files = HubFiles(path, split="")
        self._read, self._unread = list(read), list(unread)

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or if the first one lacks a column."""
        self.files.listing.check_scheme()
        if self.files.listing.is_local:
            self._check(self.files.first())

    def rows(self) -> Iterator[HubRow]:
        """The rows of all files. Raises `ConfigError` for a file that lacks a column."""
        for file in self.files:
            self._check(file)
            with self.files.rows(file, self._read) as found:
                for number, row in enumerate(found):
                    yield HubRow(file, number, *row)

    def _check(self, file: HubFile) -> None:
        has = self.files.columns(file)
        missing = next((column for column in (*self._read, *self._unread) if column not in has), None)
        if missing is not None:
            raise ConfigError(
                f"{self.files.address(file)}: there is no column '{missing}'; {nearest(missing, has)}; "
                "this is another dataset than `kind` says"
            )
