"""Rows of a published dataset in tables, whose columns are known by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError, nearest
from datagen.sources.hub_files import HubFile, HubFiles


class Row(NamedTuple):
    """Some columns of one row."""

    file: HubFile
    number: int
    where: str
    """File and row, for messages."""
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its file from the dataset's folder, and its number."""
        return f"{self.file.stem}/{self.number}"


class Columns:
    """The columns `read`, row by row; those `unread` only have to be there."""

    def __init__(self, path: str, read: Sequence[str], *, unread: Sequence[str] = ()) -> None:
        self.files = HubFiles(path, split="")
        self._read, self._unread = list(read), list(unread)

    def check(self) -> None:
        """Raise `ConfigError` if a local folder has no such files, or their first one no such columns."""
        self.files.place.check_scheme()
        if self.files.place.is_local:
            self._check(self.files.first())

    def rows(self) -> Iterator[Row]:
        """Rows of each file. Raises `ConfigError` for a file without these columns."""
        for file in self.files:
            self._check(file)
            with self.files.values(file, self._read) as found:
                for number, values in enumerate(found):
                    yield Row(file, number, f"{self.files.address(file)}: row {number}", values)

    def _check(self, file: HubFile) -> None:
        has = self.files.columns(file)
        missing = next((column for column in (*self._read, *self._unread) if column not in has), None)
        if missing is not None:
            raise ConfigError(
                f"{self.files.address(file)}: there is no column '{missing}'; {nearest(missing, has)}; "
                "this is another dataset than `kind` says"
            )
