"""Base classes of the configs of sources."""

from __future__ import annotations

from pydantic import Field

from datagen.core.options import Options


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
