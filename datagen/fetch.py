"""Reads the files that records name, from the places that a config allows."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import cast

import fsspec

from datagen.errors import DataError

PACKAGE = "package"
"""Scheme of files that an installed Python package carries: `package://skimage/data/rocket.jpg`."""


def scheme_of(uri: str) -> str:
    """The part before `://`; `file` for a plain path."""
    return uri.split("://", 1)[0] if "://" in uri else "file"


def resolved(uri: str, base: str) -> str:
    """`uri`, counted from the folder `base` if it is a relative path."""
    if "://" in uri or uri.startswith("/") or not base:
        return uri
    return f"{base.rstrip('/')}/{uri}"


def read_file(uri: str, *, base: str = "", schemes: tuple[str, ...], max_bytes: int) -> bytes:
    """The bytes at `uri`. Raises `DataError` if it is missing, too large, or of a scheme not among `schemes`."""
    scheme = scheme_of(resolved(uri, base))
    if scheme not in schemes:
        raise DataError(f"{uri}: the scheme '{scheme}' is not allowed; `schemes` lists: {', '.join(schemes)}")
    address = _package_path(uri) if scheme == PACKAGE else resolved(uri, base)
    try:
        with fsspec.open(address, "rb") as file:
            data = cast("bytes", file.read(max_bytes + 1))
    except FileNotFoundError as error:
        raise DataError(f"{uri}: there is no such file") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{uri}: cannot be read: {type(error).__name__}") from error
    if len(data) > max_bytes:
        raise DataError(f"{uri}: is larger than {max_bytes:,} bytes, the limit set by `max_bytes`")
    return data


def _package_path(uri: str) -> str:
    package, _, inside = uri.removeprefix(f"{PACKAGE}://").partition("/")
    if ".." in PurePosixPath(inside).parts or not package.isidentifier():
        raise DataError(f"{uri}: write it as {PACKAGE}://<package>/<path inside it>")
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"{uri}: the package '{package}' is not installed; pip install it")
    return f"{spec.submodule_search_locations[0]}/{inside}"
