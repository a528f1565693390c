"""Reads the bytes at an address."""

from __future__ import annotations

from typing import Any, cast

from datagen.core.errors import DataError
from datagen.fetch import http_cache
from datagen.fetch.addresses import CONTAINERS, as_data_error, filesystem_of, parse_part, resolved, scheme_of
from datagen.fetch.web import NO_WEB, WEB_SCHEMES, Web, fetch

SCHEMES = ("file", "package", "s3", "gs", "gcs", "az", "abfs", "hf", "memory", *CONTAINERS)
"""Schemes that are read by default: the user's own disks and buckets, not the web."""


def read_file(
    uri: str, *, base: str = "", schemes: tuple[str, ...], max_bytes: int, web: Web = NO_WEB, sha256: str = ""
) -> bytes:
    """The bytes of the file, or part of a file, at `uri`; a relative path counts from the folder `base`.

    `sha256`, if it is not '', decides whether the cached copy of a URL is the right one; it is not checked otherwise.
    Raises `DataError` if the file is missing, not a regular file, larger than `max_bytes`, or of a scheme that is not
    among `schemes`; `SetupError` if the package for the scheme is missing.
    """
    address = resolved(uri, base)
    scheme = _allowed(address, schemes)
    if scheme in WEB_SCHEMES:
        return fetch(address, web=web, max_bytes=max_bytes, schemes=schemes, sha256=sha256)
    data = _part(address, schemes, max_bytes) if scheme in CONTAINERS else _whole(address, max_bytes)
    if len(data) > max_bytes:
        raise DataError(too_large(max_bytes))
    return data


def forget(uri: str, *, base: str = "") -> None:
    """Remove the cached copy of a URL, so that the next read fetches it again. Other addresses have no cache."""
    address = resolved(uri, base)
    if scheme_of(address) in WEB_SCHEMES:
        http_cache.forget(address)


def too_large(max_bytes: int) -> str:
    """The error message for a file with more than `max_bytes` bytes."""
    return f"is larger than {max_bytes:,} bytes, the limit set by `max_bytes`"


def _allowed(address: str, schemes: tuple[str, ...]) -> str:
    scheme = scheme_of(address)
    if scheme not in schemes:
        raise DataError(f"the scheme '{scheme:.40}' is not allowed; `schemes` lists: {', '.join(schemes)}")
    return scheme


def _whole(address: str, max_bytes: int) -> bytes:
    with as_data_error(scheme_of(address)):
        filesystem, path = filesystem_of(address)
        with filesystem.open(path, "rb") as file:
            return cast("bytes", file.read(max_bytes + 1))


def _part(address: str, schemes: tuple[str, ...], max_bytes: int) -> bytes:
    part = parse_part(address)
    scheme = _allowed(part.address, schemes)
    if scheme in WEB_SCHEMES:
        raise DataError("a part of a file on the web is not read; download the file first")
    with as_data_error(scheme):
        filesystem, path = filesystem_of(part.address)
        if part.scheme != "tar":
            from datagen.fetch.cells import read_cell

            return read_cell(part, filesystem, path)
        if int(part.second) > max_bytes:
            raise DataError(too_large(max_bytes))
        return _range(filesystem, path, start=part.first, size=int(part.second))


def _range(filesystem: Any, path: str, *, start: int, size: int) -> bytes:
    data = bytes(filesystem.cat_file(path, start=start, end=start + size)) if size else b""
    if len(data) != size:
        raise DataError(f"{path} has {len(data)} of the {size} bytes from byte {start} on; it was cut or replaced")
    return data
