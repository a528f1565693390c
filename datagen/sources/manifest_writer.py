"""Writes a manifest of any source: what its rows tell, and checksum, size and length of each file."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from datagen.core.errors import ConfigError, DataError
from datagen.fetch import SCHEMES, Web, read_file, resolved, scheme_of
from datagen.fetch.addresses import CONTAINERS, Part, part_of
from datagen.imaging.image import size_of
from datagen.sources.base import SourceRow

_READERS = 8
_AHEAD = 4 * _READERS
"""Rows that are read before the first of them is written."""
_MAX_BYTES = 2 * 10**9
_TEXTS = ("license", "credit", "caption", "session")


class Listed(NamedTuple):
    """How far a listing is."""

    rows: int
    failed: int
    """How many of them are left out."""
    fault: str = ""
    """What is wrong with the last row, if it is."""


def write_manifest(rows: Iterable[SourceRow], to: Path, *, license: str, web: Web) -> Iterator[Listed]:
    """Write a manifest of what can be read; tells of each row as it is done. Raises `ConfigError`.

    Rows keep their order. The file appears when all is done, or not at all: as where no row is left.
    """
    folder = f"{to.resolve().parent}/"
    schemes = (*SCHEMES, "http", "https") if web.hosts else SCHEMES

    def measured(row: SourceRow) -> dict[str, Any]:
        return _measured(row, folder=folder, license=license, schemes=schemes, web=web)

    yield from write_lines(_side_by_side(rows, measured), to)


def write_lines(made: Iterable[tuple[SourceRow, dict[str, Any] | DataError]], to: Path) -> Iterator[Listed]:
    """Write what was made of each row as a line of JSON, in order; tells of each as it is done.

    The file appears when all is done, or not at all: as where no row is left. Raises `ConfigError`.
    """
    passing = to.with_name(f"{to.name}.{os.getpid()}.tmp")
    number = failed = 0
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with passing.open("w", encoding="utf-8") as file:
            for number, (row, line) in enumerate(made, 1):
                if isinstance(line, DataError):
                    failed += 1
                    yield Listed(number, failed, f"{row.id:.200}: {line}")
                else:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    yield Listed(number, failed)
        if failed < number:
            os.replace(passing, to)
    except OSError as error:
        raise ConfigError(f"{to}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            passing.unlink()


def _side_by_side(
    rows: Iterable[SourceRow], work: Callable[[SourceRow], dict[str, Any]]
) -> Iterator[tuple[SourceRow, dict[str, Any] | DataError]]:
    """Each row and what was made of it, in order, by several threads that are never far ahead."""
    waiting: deque[tuple[SourceRow, Future[dict[str, Any]]]] = deque()
    with warnings.catch_warnings(), ThreadPoolExecutor(_READERS) as pool:
        warnings.simplefilter("ignore")  # Pillow's, of large pictures: only their sizes are read
        try:
            for row in rows:
                waiting.append((row, pool.submit(work, row)))
                if len(waiting) >= _AHEAD:
                    yield _done(*waiting.popleft())
            while waiting:
                yield _done(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _done(row: SourceRow, future: Future[dict[str, Any]]) -> tuple[SourceRow, dict[str, Any] | DataError]:
    try:
        return row, future.result()
    except DataError as error:
        return row, error


def _measured(row: SourceRow, *, folder: str, license: str, schemes: tuple[str, ...], web: Web) -> dict[str, Any]:
    """A line of the manifest. Raises `DataError`."""
    if row.error:
        raise DataError(row.error)
    fields = row.fields
    data = read_file(
        fields["uri"], base=fields["base"], schemes=schemes, max_bytes=_MAX_BYTES, web=web, sha256=fields["sha256"]
    )
    found = hashlib.sha256(data).hexdigest()
    if fields["sha256"] not in ("", found):
        raise DataError(f"its checksum is {found}, the source says {fields['sha256']}")
    width, height = size_of(data)
    texts = {name: fields[name] for name in _TEXTS if fields[name]}
    if license:
        texts.setdefault("license", license)
    line = {
        "id": _unescaped(row.id),
        "uri": _from_folder(resolved(fields["uri"], fields["base"]), folder),
        "sha256": found,
        "width": width,
        "height": height,
        "bytes": len(data),
        **texts,
    }
    return {**line, "objects": [*map(_bare, fields["objects"])]} if fields.get("objects") else line


def _bare(thing: dict[str, Any]) -> dict[str, Any]:
    """An object without what it does not have."""
    return {key: value for key, value in thing.items() if value not in (None, [])}


def _unescaped(id: str) -> str:
    return id.replace("%2B", "+").replace("%23", "#").replace("%25", "%")


def _from_folder(address: str, folder: str) -> str:
    """An address as the manifest in `folder` has it: a relative path for what lies below, else a whole one."""
    if scheme_of(address) in CONTAINERS:
        part = part_of(address)
        return str(Part(part.scheme, part.first, _second(address), _from_folder(part.address, folder)))
    if "://" in address:
        return address
    whole = os.path.abspath(address)
    return whole.removeprefix(folder)


def _second(address: str) -> str:
    """The size, or the column as it is written, of a container's part."""
    first, _, rest = address.partition("://")[2].partition("/")
    return first.partition("+")[2] if address.startswith("tar:") else rest.partition("/")[0]
