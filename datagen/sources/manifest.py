"""A list of pictures with their objects, as JSON lines.

Each line: `{"id", "uri", "sha256", "license", "credit", "caption", "session",
"objects": [{"label", "box", "polygons", "mask", "attributes"}]}`; only `id` and
`uri` are needed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any

import fsspec
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from datagen.errors import ConfigError, nearest
from datagen.sources.base import SourceRow, escaped

Text = Annotated[str, StringConstraints(max_length=100_000)]
_LONGEST_LINE = 64 * 2**20


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class RleMask(_Row):
    """A mask in COCO's uncompressed run lengths, column by column, background first."""

    size: tuple[int, int]
    counts: list[int]


class AnnotatedObject(_Row):
    """One object of a picture. Whether its box fits the picture is known only once that is read."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    box: Annotated[list[float], Field(min_length=4, max_length=4)]
    polygons: list[list[Annotated[list[float], Field(min_length=2, max_length=2)]]] = []
    mask: RleMask | None = None
    attributes: list[str] = []


class ManifestRow(_Row):
    """One line of a manifest."""

    id: Annotated[str, StringConstraints(min_length=1)]
    uri: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    license: Text = ""
    credit: Text = ""
    caption: Text = ""
    session: Text = ""
    objects: list[AnnotatedObject] = []


class Manifest:
    """The rows of a manifest file, at any fsspec address."""

    writes = ("uri", "base", "sha256", "license", "credit", "caption", "session", "objects")

    def __init__(self, path: str) -> None:
        self.path = path
        self._base = path.rpartition("/")[0]

    def check(self) -> None:
        """Raise `ConfigError` if a local file is missing or has no rows."""
        if "://" not in self.path and next(self._lines(), None) is None:
            raise ConfigError(self._empty())

    def _empty(self) -> str:
        return f"{self.path}: holds no rows; a manifest has one JSON object a line"

    def rows(self) -> Iterator[SourceRow]:
        """One row a line; blank lines are skipped."""
        seen: set[int] = set()
        number = 0
        for number, line in self._lines():
            row = self._row(line, number)
            mark = int.from_bytes(hashlib.blake2b(row.id.encode(), digest_size=8).digest(), "little")
            if mark in seen:
                error = f"{self.path}:{number}: the id '{row.id[:200]}' was used above"
                row = SourceRow(f"{row.id}%line{number}", {}, error)
            seen.add(mark)
            yield row
        if number == 0:
            raise ConfigError(self._empty())

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        try:
            with fsspec.open(self.path, "rb") as file:
                for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
                    if line.strip():
                        yield number, line
        except FileNotFoundError as error:
            raise ConfigError(f"{self.path}: there is no such manifest; a relative path counts from here") from error
        except (IsADirectoryError, PermissionError) as error:
            raise ConfigError(f"{self.path}: cannot be read as a manifest: {error.strerror}") from error

    def _row(self, line: bytes, number: int) -> SourceRow:
        where = f"{self.path}:{number}"
        try:
            data = json.loads(line)
        except (ValueError, RecursionError) as error:
            return SourceRow(f"%line{number}", {}, f"{where}: not valid JSON: {error}")
        named = isinstance(data, dict) and isinstance(data.get("id"), str) and data["id"]
        id = escaped(data["id"].encode("utf-8", "replace").decode()) if named else f"%line{number}"
        try:
            row = ManifestRow.model_validate(data)
        except ValidationError as error:
            faults = "; ".join(_tell(fault) for fault in error.errors(include_url=False)[:5])
            return SourceRow(id, {}, f"{where}: {faults}")
        return SourceRow(id, {**row.model_dump(exclude={"id"}), "base": self._base})


def _tell(fault: Any) -> str:
    path = ".".join(str(step) for step in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"unknown key '{path}'; {nearest(str(fault['loc'][-1]), ManifestRow.model_fields)}"
    return f"'{path}': {fault['msg'][0].lower()}{fault['msg'][1:]}"
