"""Parses addresses, and finds the filesystem that reads each."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from datagen.core.errors import DataError, SetupError

PACKAGE = "package"
"""Scheme of files in an installed Python package: `package://skimage/data/rocket.jpg`."""
CONTAINERS = ("tar", "parquet", "arrow")
"""Schemes of addresses of a part of a file at another address."""


class FilePart(NamedTuple):
    """A part of the file at `address`. `str` gives the address of the part."""

    scheme: str
    """One of `CONTAINERS`."""
    first: int
    """The offset in bytes in a tar; the row of a table, from 0."""
    second: str
    """The size in bytes in a tar; the column of a table, percent-encoded in an address."""
    address: str

    def __str__(self) -> str:
        sign = "+" if self.scheme == "tar" else "/"
        return f"{self.scheme}://{self.first}{sign}{self.second}/{self.address}"


def range_address(address: str, *, offset: int, size: int) -> str:
    """The address of `size` bytes of a file, from byte `offset` on."""
    return str(FilePart("tar", offset, str(size), address))


def cell_address(address: str, *, scheme: str, row: int, column: str) -> str:
    """The address of one cell of a table; `scheme` is `parquet` or `arrow`."""
    return str(FilePart(scheme, row, quote(column, safe=""), address))


def parse_part(uri: str) -> FilePart:
    """Parse the address of a part of a file. Raises `DataError` if it has another form."""
    scheme, _, rest = uri.partition("://")
    numbers, _, address = rest.partition("/")
    first, _, second = numbers.partition("+")
    if scheme != "tar":
        first = numbers
        second, _, address = address.partition("/")
    right = _is_number(first) and (_is_number(second) if scheme == "tar" else second) and address
    if not right:
        form = "tar://OFFSET+SIZE/ADDRESS" if scheme == "tar" else f"{scheme}://ROW/COLUMN/ADDRESS"
        raise DataError(f"write it as {form}")
    if scheme_of(address) in CONTAINERS:
        raise DataError("a part of a part of a file is not read")
    return FilePart(scheme, int(first), second if scheme == "tar" else unquote(second), address)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18  # fits into 64 bits


def scheme_of(uri: str) -> str:
    """The part before `://`; `file` for a plain path."""
    return uri.split("://", 1)[0] if "://" in uri else "file"


def folder_of(address: str) -> str:
    """The folder of a file, with a slash at its end; '' for a plain name, relative to the current folder."""
    return address[: address.rfind("/") + 1]


def resolved(uri: str, base: str) -> str:
    """`uri` with the folder `base` in front if it is a relative path, or a part of a file at a relative path."""
    scheme = scheme_of(uri)
    if scheme in CONTAINERS:
        steps = 1 if scheme == "tar" else 2
        head, rest = uri[: len(scheme) + 3], uri[len(scheme) + 3 :].split("/", steps)
        return head + "/".join([*rest[:-1], resolved(rest[-1], base)]) if len(rest) > steps else uri
    if "://" in uri or uri.startswith("/") or not base:
        return uri
    return f"{base}{uri}" if base.endswith("/") else f"{base}/{uri}"


def reason(error: Exception) -> str:
    """The message of an error, without the address if the error has it apart: the caller names the address anyway."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@contextmanager
def as_data_error(scheme: str) -> Iterator[None]:
    """Turn what a filesystem raises in the block into a `DataError`, or a `SetupError` if its package is missing."""
    try:
        yield
    except (DataError, SetupError):
        raise
    except FileNotFoundError as error:
        raise DataError("there is no such file") from error
    except ImportError as error:
        raise SetupError(f"'{scheme}' addresses cannot be read here: {error}") from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read: {reason(error)}") from error


def filesystem_of(address: str) -> tuple[Any, str]:
    """The filesystem of an address, and the path in it.

    Raises `DataError` for a local pipe, socket or device, because opening or reading it may never end; and for a
    chain of fsspec such as `a::b`, because it could reach a scheme that is not allowed. In a plain path `::` is
    part of the name.
    """
    scheme = scheme_of(address)
    if scheme in (PACKAGE, "file"):
        filesystem = fsspec.filesystem("file")
        path = filesystem._strip_protocol(_package_path(address) if scheme == PACKAGE else address)
        _refuse_special(path)
        return filesystem, path
    if "::" in address:
        raise DataError("chained addresses, written with '::', are not read")
    filesystem, path = url_to_fs(address)
    if isinstance(filesystem, LocalFileSystem):
        _refuse_special(str(path))
    return filesystem, str(path)


def _refuse_special(path: str) -> None:
    mode = os.stat(path).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder raises an error of its own
        raise DataError("is not a regular file but a pipe, socket or device")


def _package_path(uri: str) -> str:
    package, _, inside = uri.removeprefix(f"{PACKAGE}://").partition("/")
    path = PurePosixPath(inside)
    if ".." in path.parts or path.is_absolute() or not inside or not package.isidentifier():
        raise DataError(f"write it as {PACKAGE}://<package>/<path inside it>, without '..'")
    spec = None if package == "__main__" else find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package '{package}' is not installed; pip install it")
    return f"{spec.submodule_search_locations[0]}/{inside}"
