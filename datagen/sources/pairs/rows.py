"""What the readers of datasets of pairs share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datagen.sources.base import SourceRow, escaped
from datagen.sources.rows import PAIR, checked, told


def pair(data: Mapping[str, Any], *, base: str, where: str) -> SourceRow:
    """The record of a pair that may hold anything but for its `id`; what is None is not said."""
    said = {key: value for key, value in data.items() if value is not None}
    return checked(said, base=base, where=where, name=escaped(told(str(data["id"]))), form=PAIR)


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
