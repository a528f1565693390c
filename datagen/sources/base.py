"""What every source gives: rows in an order that never changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol


class SourceRow(NamedTuple):
    """One record as it enters the pipeline; with an `error`, it fails there, by name."""

    id: str
    fields: Mapping[str, Any]
    error: str = ""


class Source(Protocol):
    """Rows to cut into slices. Reads lazily; gives the same rows in the same order every time."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The fields that every sound row has."""
        ...

    def check(self) -> None:
        """Raise `ConfigError` if it can be seen without network that there is nothing to read."""
        ...

    def count(self) -> int | None:
        """How many rows there are, if that can be told in a moment; None where it would take a download."""
        ...

    def rows(self) -> Iterator[SourceRow]:
        """All rows. Raises `ConfigError` if there is nothing to read; a faulty row only carries its error."""
        ...


def escaped(id: str) -> str:
    """An id whose `#`, `+` and `%` cannot be taken for those that datagen puts into derived ids."""
    return id.replace("%", "%25").replace("#", "%23").replace("+", "%2B")
