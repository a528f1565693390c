"""A cache on disk of files from the web, by URL.

It lies in the folder that `DATAGEN_CACHE` names, or in the user's cache folder; an empty `DATAGEN_CACHE` turns it off.
Each file begins with the checksum of the rest, so that a damaged file counts as missing. Nothing is removed by itself:
the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from contextlib import suppress
from pathlib import Path

from datagen.core.errors import SetupError

VARIABLE = "DATAGEN_CACHE"
_HEAD = 64
"""Bytes of a checksum in hex."""


def folder() -> Path | None:
    """The folder of the cache; None if it is turned off."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "datagen"


def find(url: str) -> bytes | None:
    """The stored bytes of a URL; None if there are none, or if they are damaged."""
    path = _path(url)
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head, body = data[:_HEAD], data[_HEAD:]
    return body if head == hashlib.sha256(body).hexdigest().encode() else None


def save(url: str, data: bytes) -> None:
    """Store the bytes of a URL; a reader sees all of them or nothing. Raises `SetupError` if they cannot be written."""
    path = _path(url)
    if path is None:
        return
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(hashlib.sha256(data).hexdigest().encode() + data)
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise SetupError(
            f"the cache of fetched files, {path.parent}, cannot be written: {error.strerror or error}; "
            f"set {VARIABLE} to a folder that can, or to nothing to keep nothing"
        ) from error


def forget(url: str) -> None:
    """Remove the stored bytes of a URL."""
    path = _path(url)
    if path is not None:
        with suppress(OSError):
            path.unlink()


def _path(url: str) -> Path | None:
    root = folder()
    name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return root / "urls" / name[:2] / name if root else None
