"""The sources a config can name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from datagen.options import Options
from datagen.sources.base import Source


class ManifestConfig(Options):
    """Pictures and their annotations, one JSON object a line."""

    kind: Literal["manifest"] = "manifest"
    """A `.jsonl` file that datagen or a person wrote."""
    path: str = Field(min_length=1)
    """Address of the file; a relative one counts from the folder in which datagen is run."""
    group_by: str = ""
    """Field whose equal values keep consecutive rows in one slice, for stages that combine by it."""

    def load(self) -> Source:
        """The source itself; reads nothing yet."""
        from datagen.sources.manifest import Manifest

        return Manifest(self.path)


SourceConfig = ManifestConfig
