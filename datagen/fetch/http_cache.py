"""What was fetched from the web, kept on disk by its URL.

Under `DATAGEN_CACHE`, or the user's cache folder; nothing is kept where that
variable is set to nothing. Each file begins with the checksum of the rest,
so that a damaged one counts as missing. Nothing is ever removed: the folder
can be deleted at any time.
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
    """Where files are kept; None for nowhere."""
    named = os.environ.get(VARIABLE)
    if named is not None:
        return Path(named) if named else None
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "datagen"


def find(url: str) -> bytes | None:
    """What was kept of a URL; None if nothing was, or if it was damaged since."""
    path = _path(url)
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head, body = data[:_HEAD], data[_HEAD:]
    return body if head == hashlib.sha256(body).hexdigest().encode() else None


def keep(url: str, data: bytes) -> None:
    """Keep what a URL gave; a reader sees it whole or not at all. Raises `SetupError` if it cannot be written."""
    path = _path(url)
    if path is None:
        return
    passing = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        passing.write_bytes(hashlib.sha256(data).hexdigest().encode() + data)
        os.replace(passing, path)
    except OSError as error:
        with suppress(OSError):
            passing.unlink()
        raise SetupError(
            f"the cache of fetched files, {path.parent}, cannot be written: {error.strerror or error}; "
            f"set {VARIABLE} to a folder that can, or to nothing to keep nothing"
        ) from error


def forget(url: str) -> None:
    """Keep a URL's file no longer."""
    path = _path(url)
    if path is not None:
        with suppress(OSError):
            path.unlink()


def _path(url: str) -> Path | None:
    root = folder()
    name = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
    return root / "urls" / name[:2] / name if root else None
