"""Writes a manifest of any source: its annotations, and the checksum, size in pixels and length of each file."""

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
from datagen.fetch.addresses import CONTAINERS, FilePart, parse_part
from datagen.imaging.image import size_of
from datagen.sources.base import SourceRow

_READERS = 8
_AHEAD = 4 * _READERS
"""The most rows that are read ahead of the one that is written next."""
_MAX_BYTES = 2 * 10**9
_TEXTS = ("license", "credit", "caption", "session")


class WriteProgress(NamedTuple):
    """The progress of writing a file, after one more row."""

    rows: int
    failed: int
    """How many of `rows` were left out because of an error."""
    fault: str = ""
    """The error of the last row; '' if it has none."""


def write_manifest(rows: Iterable[SourceRow], to: Path, *, license: str, web: Web) -> Iterator[WriteProgress]:
    """Write a manifest of the rows that can be read, in their order, and yield the progress after each row.

    `license` is for rows without one. The file appears at the end, and only if it has a row. Raises `ConfigError` if
    it cannot be written.
    """
    folder = f"{to.resolve().parent}/"
    schemes = (*SCHEMES, "http", "https") if web.hosts else SCHEMES

    def measured(row: SourceRow) -> dict[str, Any]:
        return _measure(row, folder=folder, license=license, schemes=schemes, web=web)

    yield from write_lines(_in_threads(rows, measured), to)


def write_lines(made: Iterable[tuple[SourceRow, dict[str, Any] | DataError]], to: Path) -> Iterator[WriteProgress]:
    """Write a line of JSON for each row of `made` that has no error, and yield the progress after each row.

    The file appears at the end, and only if it has a line. Raises `ConfigError` if it cannot be written.
    """
    temporary = to.with_name(f"{to.name}.{os.getpid()}.tmp")
    number = failed = 0
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            for number, (row, line) in enumerate(made, 1):
                if isinstance(line, DataError):
                    failed += 1
                    yield WriteProgress(number, failed, f"{row.id:.200}: {line}")
                else:
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
                    yield WriteProgress(number, failed)
        if failed < number:
            os.replace(temporary, to)
    except OSError as error:
        raise ConfigError(f"{to}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def _in_threads(
    rows: Iterable[SourceRow], work: Callable[[SourceRow], dict[str, Any]]
) -> Iterator[tuple[SourceRow, dict[str, Any] | DataError]]:
    """Each row with the result of `work`, in order. Several threads work at most `_AHEAD` rows ahead."""
    waiting: deque[tuple[SourceRow, Future[dict[str, Any]]]] = deque()
    with warnings.catch_warnings(), ThreadPoolExecutor(_READERS) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of large pictures, but only their sizes are read
        try:
            for row in rows:
                waiting.append((row, pool.submit(work, row)))
                if len(waiting) >= _AHEAD:
                    yield _outcome(*waiting.popleft())
            while waiting:
                yield _outcome(*waiting.popleft())
        finally:
            for _, future in waiting:
                future.cancel()


def _outcome(row: SourceRow, future: Future[dict[str, Any]]) -> tuple[SourceRow, dict[str, Any] | DataError]:
    try:
        return row, future.result()
    except DataError as error:
        return row, error


def _measure(row: SourceRow, *, folder: str, license: str, schemes: tuple[str, ...], web: Web) -> dict[str, Any]:
    """The line of one row. Raises `DataError` if its file cannot be read, or has another checksum."""
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
        "id": _unescape_id(row.id),
        "uri": _from_folder(resolved(fields["uri"], fields["base"]), folder),
        "sha256": found,
        "width": width,
        "height": height,
        "bytes": len(data),
        **texts,
    }
    return {**line, "objects": [*map(_without_empty, fields["objects"])]} if fields.get("objects") else line


def _without_empty(thing: dict[str, Any]) -> dict[str, Any]:
    """An object without the keys that have no value."""
    return {key: value for key, value in thing.items() if value not in (None, [])}


def _unescape_id(id: str) -> str:
    return id.replace("%2B", "+").replace("%23", "#").replace("%25", "%")


def _from_folder(address: str, folder: str) -> str:
    """An address as written in a manifest in `folder`: a relative path for a file below it, else the full address."""
    if scheme_of(address) in CONTAINERS:
        part = parse_part(address)
        return str(FilePart(part.scheme, part.first, _size_or_column(address), _from_folder(part.address, folder)))
    if "://" in address:
        return address
    return os.path.abspath(address).removeprefix(folder)


def _size_or_column(address: str) -> str:
    """The size of a part of a tar, or the column of a cell as it is encoded in its address."""
    first, _, rest = address.partition("://")[2].partition("/")
    return first.partition("+")[2] if address.startswith("tar:") else rest.partition("/")[0]
