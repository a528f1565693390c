"""Functions that several sources of pairs use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.core.errors import ConfigError
from datagen.sources.base import SourceRow, escape_id
from datagen.sources.file_listing import FileListing
from datagen.sources.manifest import parse_json
from datagen.sources.rows import PAIR, escape_surrogates, validate_row

_LARGEST = 2**28


def build_pair(data: Mapping[str, Any], *, base: str, where: str, called: Mapping[str, str]) -> SourceRow:
    """Validate a pair, and make the record of it, or a failed one. Values that are None are left out.

    `data` must have a valid `id`. `called` maps keys to the dataset's own names for them, which an error message uses.
    """
    given = {key: value for key, value in data.items() if value is not None}
    row = validate_row(given, base=base, where=where, name=escape_id(escape_surrogates(str(data["id"]))), form=PAIR)
    error = row.error.removeprefix(where)
    for key, name in ((key, name) for key, name in called.items() if name):
        error = error.replace(f"'{key}'", f"'{name}'")
    return row._replace(error=f"{where}{error}") if row.error else row


def read_json(listing: FileListing, name: str) -> Any:
    """The value of a JSON file of at most 256 MiB. Raises `ConfigError`."""
    where = f"{listing.base}{name}"
    with listing.open(name) as file:
        data = file.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise ConfigError(f"{where}: is larger than {_LARGEST:,} bytes")
    try:
        return parse_json(data)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def as_list(value: Any, *, where: str) -> list[Any]:
    """`value`, if it is a list. Raises `ValueError` if it is not."""
    if not isinstance(value, list):
        raise ValueError(f"{where} is {type(value).__name__}, not a list")
    return value


def path_inside(folder: str, name: Any) -> Any:
    """The path of a file in `folder` that an annotation names; None if `name` is no text, or empty.

    Raises `ValueError` for a name that leads out of the folder.
    """
    if isinstance(name, str) and (name.startswith("/") or "://" in name or ".." in name.split("/")):
        raise ValueError(f"names '{name:.200}', which leads out of the folder of the pictures")
    return f"{folder}{name}" if isinstance(name, str) and name else None
