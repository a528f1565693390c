"""Reads the files that records name, from the places that a config allows."""

from __future__ import annotations

import os
import stat
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any, cast

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from datagen.errors import DataError, SetupError

PACKAGE = "package"
"""Scheme of files that an installed Python package carries: `package://skimage/data/rocket.jpg`."""


def scheme_of(uri: str) -> str:
    """The part before `://`; `file` for a plain path."""
    return uri.split("://", 1)[0] if "://" in uri else "file"


def folder_of(address: str) -> str:
    """The folder of a file, with the slash that ends it; '' where a plain name counts from here."""
    return address[: address.rfind("/") + 1]


def resolved(uri: str, base: str) -> str:
    """`uri`, counted from the folder `base` if it is a relative path."""
    if "://" in uri or uri.startswith("/") or not base:
        return uri
    return f"{base}{uri}" if base.endswith("/") else f"{base}/{uri}"


def read_file(uri: str, *, base: str = "", schemes: tuple[str, ...], max_bytes: int) -> bytes:
    """The bytes at `uri`.

    Raises `DataError` if it is missing, no regular file, too large, or of a scheme not among
    `schemes`; `SetupError` if the package that speaks the scheme is missing.
    """
    address = resolved(uri, base)
    scheme = scheme_of(address)
    if scheme not in schemes:
        raise DataError(f"the scheme '{scheme:.40}' is not allowed; `schemes` lists: {', '.join(schemes)}")
    try:
        filesystem, path = _located(address, scheme)
        _refuse_special(filesystem, path)
        with filesystem.open(path, "rb") as file:
            data = cast("bytes", file.read(max_bytes + 1))
    except FileNotFoundError as error:
        raise DataError("there is no such file") from error
    except ImportError as error:
        raise SetupError(f"'{scheme}' addresses cannot be read here: {error}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {reason(error)}") from error
    if len(data) > max_bytes:
        raise DataError(f"is larger than {max_bytes:,} bytes, the limit set by `max_bytes`")
    return data


def _refuse_special(filesystem: Any, path: str) -> None:
    """Raise `DataError` for a local pipe, socket or device, whose opening or reading may never end."""
    if not isinstance(filesystem, LocalFileSystem):
        return
    mode = os.stat(filesystem._strip_protocol(path)).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder says so itself
        raise DataError("is not a regular file but a pipe, socket or device")


def reason(error: Exception) -> str:
    """What went wrong, without the address that the caller names anyway."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _located(address: str, scheme: str) -> tuple[Any, str]:
    """Filesystem and path. A chain, `a::b`, would reach what `schemes` does not allow; in a plain path it is a name."""
    if scheme == PACKAGE:
        return fsspec.filesystem("file"), _package_path(address)
    if scheme == "file":
        return fsspec.filesystem("file"), address
    if "::" in address:
        raise DataError("chained addresses, written with '::', are not read")
    filesystem, path = url_to_fs(address)
    return filesystem, str(path)


def _package_path(uri: str) -> str:
    package, _, inside = uri.removeprefix(f"{PACKAGE}://").partition("/")
    path = PurePosixPath(inside)
    if ".." in path.parts or path.is_absolute() or not inside or not package.isidentifier():
        raise DataError(f"write it as {PACKAGE}://<package>/<path inside it>, without '..'")
    spec = None if package == "__main__" else find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package '{package}' is not installed; pip install it")
    return f"{spec.submodule_search_locations[0]}/{inside}"
