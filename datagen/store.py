"""A folder on any fsspec address, with the few operations that commits need."""

from __future__ import annotations

import errno
import os
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from datagen.errors import StoreError


class Store:
    """Files below one address; every path is relative to it, with forward slashes."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/") or "/"
        self._fs, root = url_to_fs(self.address)
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)

    def _fault(self, name: str, error: OSError, *, doing: str) -> StoreError:
        """What to say where the filesystem refuses."""
        remedy = "give a folder that can be written, by --out" if doing == "written" else "see to its permissions"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            remedy = "free some space and run the same command again, which goes on from here, or give another --out"
        if self._fs.isfile(self._root):
            return StoreError(f"{self.address} is a file, not a folder; give another --out")
        place = f"{self.address}/{name}" if name else self.address
        return StoreError(f"{place} cannot be {doing}: {error.strerror or error}; {remedy}")

    @contextmanager
    def _told(self, name: str, *, doing: str = "written") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._fault(name, error, doing=doing) from error

    def path(self, name: str) -> str:
        """The filesystem's own path of `name`."""
        return f"{self._root}/{name}" if name else self._root

    def exists(self, name: str) -> bool:
        """Whether `name` is there, as a file or a folder."""
        return bool(self._fs.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """The whole of a file. Raises `StoreError` if it is not there."""
        return self._reading(name, None, None)

    def read_range(self, name: str, *, start: int, size: int) -> bytes:
        """`size` bytes from `start`. Raises `StoreError` if there are fewer."""
        data = self._reading(name, start, start + size)
        self._check_length(name, start, size, data)
        return data

    def _check_length(self, name: str, start: int, size: int, data: bytes) -> None:
        if len(data) != size:
            end = f"after {start + len(data)} bytes" if data else f"at byte {start} or before"
            raise StoreError(f"{self.address}/{name}: ends {end}, {start + size} were expected")

    def _reading(self, name: str, start: int | None, end: int | None) -> bytes:
        try:
            return bytes(self._fs.cat_file(self.path(name), start=start, end=end))
        except FileNotFoundError as error:
            raise StoreError(f"{self.address}/{name} is missing") from error
        except OSError as error:
            raise self._fault(name, error, doing="read") from error

    def read_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """Several (name, start, size) at once, side by side where the filesystem can."""
        paths = [self.path(name) for name, _, _ in ranges]
        starts, ends = [start for _, start, _ in ranges], [start + size for _, start, size in ranges]
        found = self._fs.cat_ranges(paths, starts, ends, on_error="return")
        for (name, start, size), data in zip(ranges, found, strict=True):
            if isinstance(data, FileNotFoundError):
                raise StoreError(f"{self.address}/{name} is missing") from data
            if isinstance(data, Exception):
                raise StoreError(f"{self.address}/{name} cannot be read: {data}") from data
            self._check_length(name, start, size, data)
        return [bytes(data) for data in found]

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """A file to read from the front. Raises `StoreError` if it is not there."""
        try:
            opened = self._fs.open(self.path(name), "rb")
        except FileNotFoundError as error:
            raise StoreError(f"{self.address}/{name} is missing") from error
        except OSError as error:
            raise self._fault(name, error, doing="read") from error
        with opened as file:
            yield file

    def names(self, folder: str) -> list[str]:
        """Names of the files in `folder`, sorted; [] if there is no such folder."""
        return list(self.sizes(folder))

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of the files in `folder`, by name, sorted; {} if there is no such folder."""
        try:
            rows: list[dict[str, Any]] = self._fs.ls(self.path(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._fault(folder, error, doing="listed") from error
        files = {str(row["name"]): row["size"] for row in rows if row["type"] == "file"}
        if not folder and self.path("") in files:
            raise StoreError(f"{self.address} is a file, not a folder; give another --out")
        return {name.rsplit("/", 1)[-1]: int(files[name]) for name in sorted(files)}

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file; a reader sees the old one or the new one, never half."""
        with self.writing(name) as file:
            file.write(data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file that appears under `name` only when the block ends without an error."""
        target = self.path(name)
        with self._told(name):
            self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            if self._local:
                passing = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
                with _removed(passing), open(passing, "wb") as file:
                    yield file
                    file.close()
                    os.replace(passing, target)
                return
            with tempfile.NamedTemporaryFile() as file:  # what is open for an upload appears even if it breaks off
                yield file
                file.flush()
                self._fs.put_file(file.name, target)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not be there yet; False, and nothing changed, if it is."""
        target = self.path(name)
        if not self._local:
            try:
                self._fs.pipe_file(target, data, mode="create")
            except FileExistsError:
                return False
            except OSError as error:
                raise self._fault(name, error, doing="written") from error
            return True
        passing = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
        with self._told(name), _removed(passing):
            self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
            with open(passing, "wb") as file:
                file.write(data)
            try:
                os.link(passing, target)
            except FileExistsError:
                return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file or folder if it is there."""
        with self._told(name, doing="removed"):
            if self._fs.exists(self.path(name)):
                self._fs.rm(self.path(name), recursive=True)

    def move(self, name: str, new: str) -> None:
        """Rename a file, replacing what is there."""
        with self._told(new):
            self._fs.makedirs(self.path(new).rsplit("/", 1)[0], exist_ok=True)
            if self._local:
                os.replace(self.path(name), self.path(new))
            else:
                self._fs.mv(self.path(name), self.path(new))


@contextmanager
def _removed(path: str) -> Iterator[None]:
    """Whatever happens in the block, no local file is left under `path`."""
    try:
        yield
    finally:
        with suppress(OSError):  # such as a folder that could not be made
            os.unlink(path)
