"""Writes a list of the hashes of a source's pictures, by which a benchmark is kept out of datasets."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from datagen.errors import ConfigError, DataError
from datagen.fetch import SCHEMES, Web, read_file
from datagen.image import MAX_PIXELS, Image
from datagen.models.hasher import Hasher
from datagen.sources.base import SourceRow
from datagen.sources.listing import Listed

_MAX_BYTES = 2 * 10**9


def write_hashes(rows: Iterable[SourceRow], to: Path, *, hasher: Hasher, web: Web) -> Iterator[Listed]:
    """Write a line {"item", "hash"} for each picture that can be read; tells of each row as it is done.

    The file appears when all is done, or not at all: as where no row is left. Raises `ConfigError`.
    """
    passing = to.with_name(f"{to.name}.{os.getpid()}.tmp")
    schemes = (*SCHEMES, "http", "https") if web.hosts else SCHEMES
    number = failed = 0
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with passing.open("w", encoding="utf-8") as file:
            for number, row in enumerate(rows, 1):
                try:
                    picture = _picture(row, schemes=schemes, web=web)
                except DataError as error:
                    failed += 1
                    yield Listed(number, failed, f"{row.id:.200}: {error}")
                    continue
                [found] = hasher([picture.array])
                file.write(json.dumps({"item": row.id, "hash": found}, ensure_ascii=False) + "\n")
                yield Listed(number, failed)
        if failed < number:
            os.replace(passing, to)
    except OSError as error:
        raise ConfigError(f"{to}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            passing.unlink()


def _picture(row: SourceRow, *, schemes: tuple[str, ...], web: Web) -> Image:
    """The picture of a row. Raises `DataError`."""
    if row.error:
        raise DataError(row.error)
    fields = row.fields
    data = read_file(
        fields["uri"], base=fields["base"], schemes=schemes, max_bytes=_MAX_BYTES, web=web, sha256=fields["sha256"]
    )
    return Image.decode(data, max_pixels=MAX_PIXELS)
