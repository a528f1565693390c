"""Lists the files of folders, globs and buckets, in an order that does not depend on the filesystem.

Folders are listed one at a time and sorted by name, so that only the names in one folder, and in those above it, are
in memory. Names that begin with a dot are skipped, and so are links to folders.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, NamedTuple

import fsspec
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import glob_translate

from datagen.core.errors import ConfigError, nearest
from datagen.fetch import PACKAGE, reason, scheme_of

_MAGIC = re.compile(r"[*?\[]")
_DEEPEST = 64
"""The largest depth of nested folders; deeper ones are an error."""


class Folder(NamedTuple):
    """One folder: its path from the base of the listing ('' or with a slash at its end), and its file names, sorted."""

    path: str
    files: list[str]


def check_scheme(address: str) -> None:
    """Raise `ConfigError` if no filesystem has the address's scheme."""
    scheme, known = scheme_of(address), fsspec.available_protocols()
    if scheme not in known:
        raise ConfigError(f"{address}: no filesystem has the scheme '{scheme}'; {nearest(scheme, known)}")


class FileListing:
    """The files at an address, which is a folder, a single file, or a glob such as `photos/**/*.jpg`.

    All paths are relative to `base`, a folder with a slash at its end: the folder itself, or the part of a glob before
    its first pattern. Errors of the filesystem are raised as `ConfigError`.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        steps = address.split("/")
        magic = next((number for number, step in enumerate(steps) if _MAGIC.search(step)), None)
        self.pattern = "" if magic is None else "/".join(steps[magic:])
        folder = address if magic is None else "/".join(steps[:magic])
        if magic is not None and not folder:
            folder = "/" if address.startswith("/") else "."
        self.base = f"{folder}/" if not folder.endswith("/") else folder
        self._fs: Any = None
        self._root = ""

    @property
    def is_local(self) -> bool:
        """Whether the files are on this machine, where listing them is fast."""
        return scheme_of(self.address) in ("file", "local")

    def check_scheme(self) -> None:
        """Raise `ConfigError` if no filesystem that can list files has the address's scheme."""
        if scheme_of(self.address) == PACKAGE:
            raise ConfigError(f"{self.address}: packages are not listed; name single files in a manifest")
        check_scheme(self.address)

    def is_file(self) -> bool:
        """Whether the address is that of a single file. Raises `ConfigError` if nothing is there."""
        if self.pattern:
            return False
        with self._config_errors(self.address):
            info = self._filesystem().info(self._root)
            return bool(info["type"] == "file")

    def folders(self) -> Iterator[Folder]:
        """All folders that have files: each before those in it, and sorted by name. Raises `ConfigError`."""
        fits = re.compile(glob_translate(self.pattern)) if self.pattern else None
        depth = _DEEPEST if "**" in self.pattern or not self.pattern else self.pattern.count("/")
        yield from self._walk("", fits, depth)

    def _walk(self, path: str, fits: re.Pattern[str] | None, depth: int) -> Iterator[Folder]:
        files, folders = self._listed(path)
        found = sorted(name for name in files if fits is None or fits.match(f"{path}{name}"))
        if found:
            yield Folder(path, found)
        if folders and path.count("/") >= _DEEPEST:
            raise ConfigError(f"{self.base}{path}: folders lie more than {_DEEPEST} deep")
        if path.count("/") < depth:
            for name in sorted(folders):
                yield from self._walk(f"{path}{name}/", fits, depth)

    def siblings(self, path: str) -> set[str]:
        """The names of all files in a folder, also of those that do not match the glob."""
        return set(self._listed(path)[0])

    def _listed(self, path: str) -> tuple[list[str], list[str]]:
        """The names of the files and of the folders in a folder, in any order."""
        fs, root = self._filesystem(), self._path(path.rstrip("/"))
        files: list[str] = []
        folders: list[str] = []
        with self._config_errors(f"{self.base}{path}"):
            if isinstance(fs, LocalFileSystem):
                with os.scandir(root) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.name)
                        elif not _leads_to_folder(entry):
                            files.append(entry.name)
            else:
                for row in fs.ls(root, detail=True):
                    name = str(row["name"]).rstrip("/").rpartition("/")[2]
                    if str(row["name"]).rstrip("/") != root.rstrip("/"):  # some stores list a folder in itself
                        (folders if row["type"] == "directory" else files).append(name)
        return [name for name in files if name[:1] != "."], [name for name in folders if name[:1] != "."]

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """Open a file to read, by its path from `base`. Raises `ConfigError`."""
        with self._config_errors(f"{self.base}{path}"):
            opened = self._filesystem().open(self._path(path), "rb")
        with opened as file:
            yield file

    def read_some(self, paths: Sequence[str], *, most: int) -> dict[str, bytes | Exception]:
        """The first `most` bytes of each file, or its error; read concurrently if the filesystem can."""
        if not paths:
            return {}
        inside = [self._path(path) for path in paths]
        fs = self._filesystem()
        if isinstance(fs, LocalFileSystem):
            found: Iterable[bytes | Exception] = (_read_head(path, most) for path in inside)
        else:
            read = fs.cat_ranges(inside, [0] * len(inside), [most] * len(inside), on_error="return")
            found = (b"" if _is_empty(data) else data for data in read)
        return dict(zip(paths, found, strict=True))

    def _path(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}" if path else self._root

    def _filesystem(self) -> Any:
        if self._fs is None:
            with self._config_errors(self.address):
                fs, root = url_to_fs(self.base.rstrip("/") if len(self.base) > 1 else self.base)
                self._fs, self._root = fs, str(root)
        return self._fs

    @contextmanager
    def _config_errors(self, where: str) -> Iterator[None]:
        """Turn what the filesystem raises in the block into a `ConfigError`."""
        try:
            yield
        except ConfigError:
            raise
        except FileNotFoundError as error:
            raise ConfigError(f"{where}: there is no such folder or file; a relative path counts from here") from error
        except NotADirectoryError as error:
            raise ConfigError(f"{where}: is a file, not a folder") from error
        except IsADirectoryError as error:
            raise ConfigError(f"{where}: is a folder, not a file") from error
        except Exception as error:  # services have errors of their own, such as botocore's
            raise ConfigError(f"{where}: cannot be read: {reason(error)}") from error


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder. One that goes in a circle, or where one may not look, fails when it is read."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _read_head(path: str, most: int) -> bytes | Exception:
    try:
        with open(path, "rb") as file:
            return file.read(most)
    except OSError as error:
        return error


def _is_empty(found: bytes | Exception) -> bool:
    """Whether the error only means that the file is empty: object stores refuse to read a range of it."""
    return getattr(found, "errno", None) == errno.EINVAL and "range" in str(found)


def split_address(address: str) -> tuple[FileListing, str]:
    """The listing of the folder of a single file, and the file's name in it."""
    folder, slash, name = address.rpartition("/")
    return FileListing(folder or ("/" if slash else ".")), name
