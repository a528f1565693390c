"""A folder, glob or bucket of pictures, with what is told of them beside them or in a table.

Nothing but names is read of the pictures; what is held are those of one folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from datagen.core.errors import ConfigError
from datagen.fetch import reason, scheme_of
from datagen.sources.base import SourceRow, escaped
from datagen.sources.file_listing import Folder, Place
from datagen.sources.id_set import once
from datagen.sources.rows import FIELDS, checked, faulty
from datagen.sources.sidecars import LARGEST, Told, check_table, from_json, from_text

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_AT_ONCE = 256
"""Pictures whose side-cars are read side by side."""


class Images:
    """One record a picture; its id is its path from the folder."""

    writes = FIELDS

    def __init__(self, path: str, *, table: str, table_key: str, license: str, credit: str) -> None:
        self.path = path
        self._place = Place(path)
        self._table, self._key = table, table_key
        self._default = {key: value for key, value in (("license", license), ("credit", credit)) if value}

    def check(self) -> None:
        """Raise `ConfigError` if a local folder is missing or has no picture, or the table does not fit."""
        self._place.check_scheme()
        if self._table and scheme_of(self._table) == "file":
            check_table(self._table, key=self._key)
        if self._place.is_local and next(self._files(), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no pictures; their names end in {', '.join(ENDINGS)}"

    def count(self) -> int | None:
        """How many pictures there are; None where they are not on this machine."""
        return sum(len(files.files) for files in self._files()) if self._place.is_local else None

    def rows(self) -> Iterator[SourceRow]:
        """Pictures by folder and name; after them, what the table names and is not there."""
        told = Told(self._table, key=self._key) if self._table else None
        try:
            yield from once(self._all(told), place=self.path, empty=self._empty())
        finally:
            if told is not None:
                told.close()

    def _all(self, told: Told | None) -> Iterator[SourceRow]:
        for folder in self._files():
            beside = self._place.siblings(folder.path) if told is None else set()
            for first in range(0, len(folder.files), _AT_ONCE):
                yield from self._some(folder.path, folder.files[first : first + _AT_ONCE], beside, told)
        if told is not None:
            for name, error in told.unused():
                yield faulty(f"%table:{name[:1000]}", error)

    def _files(self) -> Iterator[Folder]:
        if self._place.is_file():
            raise ConfigError(f"{self.path}: is a file; give a folder or a glob, or another `kind` of source")
        for folder in self._place.folders():
            files = [name for name in folder.files if name.lower().endswith(ENDINGS)]
            if files:
                yield Folder(folder.path, files)

    def _some(self, folder: str, names: Sequence[str], beside: set[str], told: Told | None) -> Iterator[SourceRow]:
        sidecars = {name: [side for side in _sides(name) if side in beside] for name in names}
        wanted = [f"{folder}{side}" for sides in sidecars.values() for side in sides]
        read = self._place.read_some(wanted, most=LARGEST + 1)
        for name in names:
            path = f"{folder}{name}"
            where = f"{self._place.base}{path}"
            data: dict[str, Any] = {"id": path, "uri": path, **self._default}
            try:
                if told is not None:
                    data.update(told.of(path))
                for side in sidecars[name]:
                    data.update(_told(side, read[f"{folder}{side}"]))
            except (ValueError, RecursionError) as error:
                yield faulty(escaped(path), f"{where}: {error}")
                continue
            yield checked(data, base=self._place.base, where=where, name=f"%{path[:1000]}")


def _sides(name: str) -> tuple[str, ...]:
    stem = name.rpartition(".")[0]
    return f"{stem}.txt", f"{stem}.json"


def _told(side: str, data: bytes | Exception) -> dict[str, Any]:
    """What one side-car tells; in doubt the JSON file, which is read last, is right. Raises `ValueError`."""
    if isinstance(data, Exception):
        raise ValueError(f"{side} cannot be read: {reason(data)}") from data
    try:
        return from_json(data) if side.endswith(".json") else from_text(data)
    except ValueError as error:
        raise ValueError(f"{side}: {error}") from error
