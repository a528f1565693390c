"""What the readers of datasets of pairs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow, escaped
from datagen.sources.file_listing import Place
from datagen.sources.manifest import document
from datagen.sources.rows import PAIR, checked, told

_LARGEST = 2**28


def pair(data: Mapping[str, Any], *, base: str, where: str, called: Mapping[str, str]) -> SourceRow:
    """The record of a pair that may hold anything but for its `id`; what is None is not said.

    `called` has the dataset's own names of keys, by which faults are told.
    """
    said = {key: value for key, value in data.items() if value is not None}
    row = checked(said, base=base, where=where, name=escaped(told(str(data["id"]))), form=PAIR)
    error = row.error.removeprefix(where)
    for key, name in ((key, name) for key, name in called.items() if name):
        error = error.replace(f"'{key}'", f"'{name}'")
    return row._replace(error=f"{where}{error}") if row.error else row


def read_json(place: Place, name: str) -> Any:
    """What a JSON file of at most 256 MB tells. Raises `ConfigError`."""
    where = f"{place.base}{name}"
    with place.open(name) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigError(f"{where}: is larger than {_LARGEST:,} bytes")
    try:
        return document(data)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def listed(value: Any, *, where: str) -> list[Any]:
    """A JSON list. Raises `ValueError` that says what it is instead."""
    if not isinstance(value, list):
        raise ValueError(f"{where} is {type(value).__name__}, not a list")
    return value


def inside(folder: str, name: Any) -> Any:
    """The path of a file that an annotation names below `folder`; None for what is no name.

    Raises `ValueError` for one that leads out of it.
    """
    if isinstance(name, str) and (name.startswith("/") or "://" in name or ".." in name.split("/")):
        raise ValueError(f"names '{name:.200}', which leads out of the folder of the pictures")
    return f"{folder}{name}" if isinstance(name, str) and name else None
