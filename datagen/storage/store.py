"""A folder at any fsspec address, with the few operations that committing a run needs.

Every read and write of an OUT goes through `Store`. On a disk it follows no symbolic link below the folder
(`datagen.storage.local_files`), but for reading a dataset's own files: a hub's cache consists of links.
"""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from datagen.core.errors import StoreError
from datagen.core.redact import redact_address, secret_in
from datagen.storage.local_files import ExpelledError, LocalFiles

_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
"""Protocols without folders: they are only parts of names. `makedirs` is never called there: s3fs would create the
bucket."""


_WRITERS = "run/locks/writers"
"""Has a folder, in a bucket an object, for each process that may write below this address: see `Store.admit`."""
_LINKABLE = {"dataset.json", "index.parquet", "README.md", "shards"}
"""Where a file or folder may be a link if it is only read; whoever reads a shard checks it (`Dataset`, `verify`)."""
_NO_RANGE = (ValueError, OverflowError, MemoryError)
"""What Python raises for a range that no file can have."""


class Store:
    """Files below one address; every path is relative to it, with forward slashes.

    `writer` is the token of a lock (`admit`). Changes by such a store fail with `ExpelledError` from the moment on that
    another process has expelled the writer. On a disk no change takes effect after that. A bucket cannot rename: there
    each change is preceded by a look, and one that a process began before it was expelled may still take effect.
    """

    def __init__(self, address: str, *, writer: str = "") -> None:
        self.address = address.rstrip("/") or "/"
        self.writer = writer
        self._fs, root = _open_filesystem(self.address)
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)
        self._files = LocalFiles(self._root or "/", address=self.address, place=writer and _place_of(writer))
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else set(self._fs.protocol)
        self._flat = bool(protocols & _OBJECT_STORES)
        self._faults = OSError if self._local else Exception  # services have errors of their own, such as botocore's

    def _fault(self, name: str, error: Exception, *, doing: str) -> StoreError:
        """The error for an operation that the filesystem refused; `doing` is `read`, `written` and so on."""
        if self._local and self._fs.isfile(self._root):
            return StoreError(f"{self.address} is a file, not a folder; give another --out")
        place = f"{self.address}/{name}" if name else self.address
        why = getattr(error, "strerror", None) or error
        return StoreError(f"{place} cannot be {doing}: {why}; {self._remedy(error, doing)}")

    def _remedy(self, error: Exception, doing: str) -> str:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return "free some space and run the same command again, which goes on from here, or give another --out"
        text = f"{type(error).__name__} {error} {error.__cause__!r}".lower()
        if "bucket" in text and ("not exist" in text or "nosuchbucket" in text):
            return "make the bucket first, or give another --out"
        if not self._local and (isinstance(error, PermissionError) or "credential" in text or "accesskey" in text):
            return "give credentials that may read and write there (for s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        if not self._local:
            return "see that it can be reached, and run the same command again"
        return "give a folder that can be written, by --out" if doing == "written" else "see to its permissions"

    @contextmanager
    def _errors(self, name: str, *, doing: str = "written") -> Iterator[None]:
        """Turn what the filesystem raises in the block into a `StoreError`."""
        try:
            yield
        except StoreError:
            raise
        except self._faults as error:
            raise self._fault(name, error, doing=doing) from error

    def admit(self, writer: str) -> Store:
        """This store for the writer of a new token: its changes take effect until the writer is expelled."""
        with self._errors(""):
            if self._local:
                self._files.make_place(_place_of(writer))
            else:
                self._make_folder(self.path(_place_of(writer)))
                self._fs.pipe_file(self.path(_place_of(writer)), b"1")
        return Store(self.address, writer=writer)

    def expel(self, writer: str) -> None:
        """End all changes by a writer, though its process may be alive. Nothing happens if it was expelled before."""
        with self._errors(_place_of(writer), doing="removed"):
            if self._local:
                self._files.remove_place(_place_of(writer))
            else:
                with suppress(FileNotFoundError):
                    self._fs.rm_file(self.path(_place_of(writer)))

    def writers(self) -> list[str]:
        """The tokens of all writers that were admitted and not expelled yet."""
        return [*self.names(_WRITERS), *self.folders(_WRITERS)]

    def _refuse_if_expelled(self) -> None:
        """Raise `ExpelledError` if the writer was expelled; on a disk each change finds that out by itself."""
        if self.writer and not self.exists(_place_of(self.writer)):
            raise ExpelledError(f"{self.address}: another process took the lock over; this one writes nothing more")

    def _make_folder(self, path: str) -> None:
        if not self._flat:
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)

    def path(self, name: str) -> str:
        """The path of `name` in the filesystem. Raises `StoreError` for a name that leads out of the store."""
        if (".." in name and ".." in name.split("/")) or "\0" in name:
            raise StoreError(f"{self.address}: something in it names the file {name[:200]!r}, which is not in it")
        return f"{self._root}/{name}" if name else self._root

    def _checked(self, name: str) -> str:
        """The same name, if `path` accepts it."""
        self.path(name)
        return name

    def exists(self, name: str) -> bool:
        """Whether a file or folder called `name` exists."""
        with self._errors(name, doing="read"):
            if self._local:
                return self._files.exists(self._checked(name), follow=_is_linkable(name))
            return bool(self._fs.exists(self.path(name)))

    def refuse_links(self, folder: str) -> None:
        """Raise `StoreError` if a folder, or one on the way to it, is a symbolic link."""
        if self._local:
            self._files.exists(f"{self._checked(folder)}/-", follow=False)

    def is_linked(self, name: str) -> bool:
        """Whether a file is a symbolic link or lies behind one; in a bucket there are none."""
        return self._local and self._files.is_linked(self._checked(name))

    def read(self, name: str) -> bytes:
        """All bytes of a file. Raises `StoreError` if it does not exist."""
        return self._read_bytes(name, None, None)

    def find(self, name: str) -> bytes | None:
        """All bytes of a file; None if it does not exist. Raises `StoreError`."""
        with self._errors(name, doing="read"):
            try:
                if self._local:
                    return self._files.read(self._checked(name), None, None, follow=_is_linkable(name))
                return bytes(self._fs.cat_file(self.path(name)))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def read_range(self, name: str, *, start: int, size: int) -> bytes:
        """`size` bytes from `start`. Raises `StoreError` if there are fewer."""
        self._check_range(name, start, size)
        data = self._read_bytes(name, start, start + size)
        self._check_length(name, start, size, data)
        return data

    def _check_range(self, name: str, start: int, size: int) -> None:
        if start < 0 or size < 0:
            raise StoreError(f"{self.address}/{name}: no file has {size} bytes at byte {start}")

    def _check_length(self, name: str, start: int, size: int, data: bytes) -> None:
        if len(data) != size:
            end = f"after {start + len(data)} bytes" if data else f"at byte {start} or before"
            raise StoreError(f"{self.address}/{name}: ends {end}, {start + size} were expected")

    def _read_bytes(self, name: str, start: int | None, end: int | None) -> bytes:
        if start is not None and start == end:
            return b""  # object stores refuse an empty range, or return the whole file for it
        try:
            if self._local:
                return self._files.read(self._checked(name), start, end, follow=_is_linkable(name))
            return bytes(self._fs.cat_file(self.path(name), start=start, end=end))
        except (self._faults, *_NO_RANGE) as error:
            return self._after_failed_read(name, error)

    def _after_failed_read(self, name: str, error: Exception) -> bytes:
        """b'' if the range only begins behind the end of the file. Raises `StoreError` otherwise."""
        if isinstance(error, StoreError):
            raise error
        if isinstance(error, FileNotFoundError):
            raise StoreError(f"{self.address}/{name} is missing") from error
        if not self._local and getattr(error, "errno", None) == errno.EINVAL and "range" in str(error):
            return b""
        raise self._fault(name, error, doing="read") from error

    def read_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """The bytes of several ranges (name, start, size), read concurrently if the filesystem can.

        Raises `StoreError` if one of them cannot be read or is cut short.
        """
        for name, start, size in ranges:
            self._check_range(name, start, size)
        wanted = [(name, start, start + size) for name, start, size in ranges if size]
        found = iter(self._read_concurrently(wanted))
        answer = [next(found) if size else b"" for _, _, size in ranges]
        for (name, start, size), data in zip(ranges, answer, strict=True):
            if isinstance(data, Exception):
                raise data
            self._check_length(name, start, size, data)
        return [data for data in answer if isinstance(data, bytes)]

    def read_many(self, names: Sequence[str]) -> list[bytes | StoreError]:
        """All bytes of several files, read concurrently if the filesystem can; an error for an unreadable file."""
        return self._read_concurrently([(name, None, None) for name in names])

    def _read_concurrently(self, wanted: Sequence[tuple[str, int | None, int | None]]) -> list[bytes | StoreError]:
        if not wanted:
            return []
        paths = [self.path(name) for name, _, _ in wanted]
        starts, ends = [start for _, start, _ in wanted], [end for _, _, end in wanted]
        if self._local:
            found = self._files.read_ranges(wanted, follow=_is_linkable)
        else:
            found = self._fs.cat_ranges(paths, starts, ends, on_error="return")
        answer: list[bytes | StoreError] = []
        for (name, _, _), data in zip(wanted, found, strict=True):
            try:
                answer.append(self._after_failed_read(name, data) if isinstance(data, Exception) else bytes(data))
            except StoreError as error:
                answer.append(error)
        return answer

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file to read from its start. Raises `StoreError` if it does not exist."""
        opened: Any
        try:
            if self._local:
                opened = self._files.open(self._checked(name), follow=_is_linkable(name))
            else:
                opened = self._fs.open(self.path(name), "rb")
        except self._faults as error:
            self._after_failed_read(name, error)
            raise
        with opened as file:
            yield file

    def names(self, folder: str) -> list[str]:
        """Names of the files in `folder`, sorted; [] if the folder does not exist."""
        return list(self.sizes(folder))

    def names_from(self, folder: str, *, prefix: str) -> list[str]:
        """Names of the files in `folder` that begin with `prefix`, sorted. Cheaper than `names` in a large folder."""
        if self._flat:
            with self._errors(folder, doing="listed"):
                before = len(self.path(folder)) + 1
                found = (str(path)[before:] for path in self._fs.find(self.path(folder), prefix=prefix))
                return sorted(name for name in found if "/" not in name)
        return [name for name in self.names(folder) if name.startswith(prefix)]

    def sizes_from(self, folder: str, *, prefix: str) -> dict[str, int]:
        """Sizes in bytes, by name, of the files in a local `folder` that begin with `prefix`; {} if there is none."""
        return {name: size for name, size in self.sizes(folder).items() if name.startswith(prefix)}

    def sizes(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of the files in `folder`, by name, sorted; {} if the folder does not exist.

        On a disk, whatever is no folder counts as a file; links and other odd ones are empty.
        """
        return dict(sorted(self._listed(folder, "file").items()))

    def _listed(self, folder: str, kind: str) -> dict[str, int]:
        """Sizes in bytes, by name, of the entries of `folder` that are of `kind`: `file` or `directory`."""
        if self._local:
            with self._errors(folder, doing="listed"):
                found = self._files.entries(self._checked(folder), follow=_is_linkable(folder))
            return {name: size for name, (is_folder, size) in found.items() if is_folder == (kind == "directory")}
        try:
            rows: list[dict[str, Any]] = self._fs.ls(self.path(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        except self._faults as error:
            raise self._fault(folder, error, doing="listed") from error
        return {
            str(row["name"]).rstrip("/").rsplit("/", 1)[-1]: int(row["size"] or 0)
            for row in rows
            if row["type"] == kind
        }

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in `folder`, sorted; [] if the folder does not exist."""
        return sorted(self._listed(folder, "directory"))

    def files(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of all files below `folder`, at any depth, by path, sorted; {} if it does not exist."""
        if self._local:
            with self._errors(folder, doing="listed"):
                return dict(sorted(self._files.walk(self._checked(folder))))
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(self.path(folder), detail=True)
        except OSError as error:
            raise self._fault(folder, error, doing="listed") from error
        start = len(self.path("")) + 1
        return {path[start:]: int(found[path]["size"]) for path in sorted(found)}

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file atomically: a reader sees the old content or the new one. Raises `StoreError`."""
        if self._local:
            with self._errors(name):
                self._files.write(self._checked(name), data)
            return
        with self.writing(name) as file:
            file.write(data)

    @property
    def appends(self) -> bool:
        """Whether files can be appended to; object stores cannot."""
        return self._local

    def append(self, name: str, data: bytes) -> int:
        """Append to a file that nobody else writes, and return the offset of the new data.

        Only where `appends` is true; also by a writer that was expelled. Raises `StoreError`; half of the data may then
        be in the file.
        """
        with self._errors(name):
            return self._files.append(self._checked(name), data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file to write. It appears under `name` only if the block ends without an error."""
        if self._local:
            with self._errors(name), self._files.writing(self._checked(name)) as opened:
                yield opened
            return
        target = self.path(name)
        with tempfile.NamedTemporaryFile() as file:  # a broken upload may leave half a file
            yield file
            file.flush()
            with self._errors(name):
                self._make_folder(target)
                self._refuse_if_expelled()
                self._fs.put_file(file.name, target)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not exist yet; False, without any change, if it does. Raises `StoreError`.

        On a service, a file that exists with the same bytes counts as written by this call: the service may have
        stored the file and its answer was lost, and the client then repeats the request by itself.
        """
        with self._errors(name):
            if self._local:
                return self._files.create(self._checked(name), data)
            target = self.path(name)
            try:
                self._make_folder(target)
                self._refuse_if_expelled()
                self._fs.pipe_file(target, data, mode="create")
            except FileExistsError:
                with suppress(FileNotFoundError):  # another process removed it
                    return bool(self._fs.cat_file(target) == data)
                return False
            return True

    def remove(self, name: str) -> None:
        """Remove a file or folder, if it exists. Of a symbolic link, the link alone is removed."""
        with self._errors(name, doing="removed"):
            if self._local:
                self._files.remove(self._checked(name))
            elif self._fs.exists(self.path(name)):
                self._refuse_if_expelled()
                self._fs.rm(self.path(name), recursive=True)

    def remove_files(self, names: Sequence[str]) -> None:
        """Remove several files, many in one request if the filesystem can; missing ones are ignored."""
        if not self._flat:
            for name in names:
                self.remove(name)
        elif names:
            with self._errors(names[0], doing="removed"):
                self._refuse_if_expelled()
                self._fs.rm([self.path(name) for name in names])

    def move(self, name: str, new: str) -> None:
        """Rename a file; an existing file at `new` is replaced."""
        with self._errors(new):
            if self._local:
                self._files.move(self._checked(name), self._checked(new))
                return
            self._make_folder(self.path(new))
            self._refuse_if_expelled()
            self._fs.mv(self.path(name), self.path(new))


def _place_of(writer: str) -> str:
    return f"{_WRITERS}/{writer}"


def _is_linkable(name: str) -> bool:
    return name.partition("/")[0] in _LINKABLE


def _open_filesystem(address: str) -> tuple[Any, str]:
    """The filesystem of an address, without a cache of listings, and the path in it. Raises `StoreError`."""
    if re.fullmatch(r"[\w.+-]*:", address):
        raise StoreError(f"{address}// names no folder; give a path, or an address such as s3://bucket/folder")
    if secret := secret_in(address, {}):
        raise StoreError(
            f"{redact_address(address)} holds {secret}, which logs and other users of the machine would see; "
            "put it into the environment (for s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )
    try:
        fs, root = url_to_fs(address)
        if not isinstance(fs, LocalFileSystem):
            fs, root = url_to_fs(address, use_listings_cache=False)  # other processes write there too
    except ImportError as error:
        scheme = address.split("://", 1)[0]
        extra = "pip install 'datagen[s3]'" if scheme in ("s3", "s3a") else "install what it names"
        raise StoreError(f"{address} cannot be opened: {error}; {extra}") from error
    except ValueError as error:
        raise StoreError(f"{address} cannot be opened: {error}; give a folder, or an address such as s3://") from error
    return fs, str(root)
