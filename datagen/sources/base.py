"""The interface of sources, and the options that their configs share. A source gives its rows in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

from pydantic import Field

from datagen.core.options import Options


class SourceRow(NamedTuple):
    """One record as it enters the pipeline. If it has an `error`, the record fails there, under its id."""

    id: str
    fields: Mapping[str, Any]
    error: str = ""


class Source(Protocol):
    """Gives the rows that a run cuts into slices: lazily, and always the same rows in the same order."""

    @property
    def writes(self) -> tuple[str, ...]:
        """The fields that every row without an error has."""
        ...

    def check(self) -> None:
        """Raise `ConfigError` if there is nothing to read, as far as that can be found out without the network."""
        ...

    def count(self) -> int | None:
        """The number of rows; None if counting them would take long, such as a download."""
        ...

    def rows(self) -> Iterator[SourceRow]:
        """All rows, faulty ones with their `error`. Raises `ConfigError` if there is nothing to read."""
        ...


class SourceOptions(Options):
    """Options of every source."""

    kind: str
    path: str = Field(min_length=1)
    """Address of the file or folder; a relative one counts from the folder in which datagen is run."""
    group_by: str = ""
    """Field whose equal values keep consecutive rows in one slice, for stages that combine by it."""


class ForeignOptions(SourceOptions):
    """Options of every source whose rows may lack a licence and an author."""

    license: str = ""
    """Licence of every picture that names none, an SPDX name where there is one."""
    credit: str = ""
    """Who made the pictures, where nothing else tells."""


def escape_id(id: str) -> str:
    """An id with `#`, `+` and `%` percent-encoded: datagen uses these signs in the ids of derived records."""
    # `%` comes first, else it would be escaped again in what the others become.
    return id.replace("%", "%25").replace("#", "%23").replace("+", "%2B")
