"""Writes the list of hashes of a source's pictures, so that a pipeline can keep the images of a benchmark out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from datagen.core.errors import DataError
from datagen.fetch import SCHEMES, Web, read_file
from datagen.imaging.image import MAX_PIXELS, Image
from datagen.models.hashers.base import Hasher
from datagen.sources.base import SourceRow
from datagen.sources.manifest_writer import WriteProgress, write_lines

_MAX_BYTES = 2 * 10**9


def write_hashes(rows: Iterable[SourceRow], to: Path, *, hasher: Hasher, web: Web) -> Iterator[WriteProgress]:
    """Write a line {"item", "hash"} for each picture that can be read, and yield the progress after each row.

    The file appears at the end, and only if it has a line. Raises `ConfigError` if it cannot be written.
    """
    schemes = (*SCHEMES, "http", "https") if web.hosts else SCHEMES
    yield from write_lines(((row, _hash_row(row, hasher=hasher, schemes=schemes, web=web)) for row in rows), to)


def _hash_row(row: SourceRow, *, hasher: Hasher, schemes: tuple[str, ...], web: Web) -> dict[str, Any] | DataError:
    """The line of a row, or why there is none."""
    try:
        picture = _read_picture(row, schemes=schemes, web=web)
    except DataError as error:
        return error
    [found] = hasher([picture.array])
    return {"item": row.id, "hash": found}


def _read_picture(row: SourceRow, *, schemes: tuple[str, ...], web: Web) -> Image:
    """The picture of a row. Raises `DataError`."""
    if row.error:
        raise DataError(row.error)
    fields = row.fields
    data = read_file(
        fields["uri"], base=fields["base"], schemes=schemes, max_bytes=_MAX_BYTES, web=web, sha256=fields["sha256"]
    )
    return Image.decode(data, max_pixels=MAX_PIXELS)
