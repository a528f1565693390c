"""A folder at any fsspec address, with the few operations that committing a run needs."""

from __future__ import annotations

import errno
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from datagen.core.errors import StoreError
from datagen.core.redact import redact_address, secret_in

_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
"""Protocols without folders: they are only parts of names. `makedirs` is never called there: s3fs would create the
bucket."""


_NO_RANGE = (ValueError, OverflowError, MemoryError)
"""What Python raises for a range that no file can have."""


class Store:
    """Files below one address; every path is relative to it, with forward slashes."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/") or "/"
        self._fs, root = _open_filesystem(self.address)
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)
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
        except self._faults as error:
            raise self._fault(name, error, doing=doing) from error

    def _make_folder(self, path: str) -> None:
        if not self._flat:
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)

    def path(self, name: str) -> str:
        """The path of `name` in the filesystem. Raises `StoreError` for a name that leads out of the store."""
        if (".." in name and ".." in name.split("/")) or "\0" in name:
            raise StoreError(f"{self.address}: something in it names the file {name[:200]!r}, which is not in it")
        return f"{self._root}/{name}" if name else self._root

    def exists(self, name: str) -> bool:
        """Whether a file or folder called `name` exists."""
        with self._errors(name, doing="read"):
            return bool(self._fs.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """All bytes of a file. Raises `StoreError` if it does not exist."""
        return self._read_bytes(name, None, None)

    def find(self, name: str) -> bytes | None:
        """All bytes of a file; None if it does not exist. Raises `StoreError`."""
        if not self._local:
            return self.read(name) if self.exists(name) else None
        with self._errors(name, doing="read"):
            try:
                file = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with open(file, "rb") as opened:
                return opened.read()

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
            return bytes(self._fs.cat_file(self.path(name), start=start, end=end))
        except (self._faults, *_NO_RANGE) as error:
            return self._after_failed_read(name, error)

    def _after_failed_read(self, name: str, error: Exception) -> bytes:
        """b'' if the range only begins behind the end of the file. Raises `StoreError` otherwise."""
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
        answer: list[bytes | StoreError] = []
        for (name, _, _), data in zip(wanted, self._fs.cat_ranges(paths, starts, ends, on_error="return"), strict=True):
            try:
                answer.append(self._after_failed_read(name, data) if isinstance(data, Exception) else bytes(data))
            except StoreError as error:
                answer.append(error)
        return answer

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file to read from its start. Raises `StoreError` if it does not exist."""
        try:
            path = self.path(name)
            opened: Any = open(path, "rb") if self._local else self._fs.open(path, "rb")  # noqa: SIM115 - closed below
        except FileNotFoundError as error:
            raise StoreError(f"{self.address}/{name} is missing") from error
        except self._faults as error:
            raise self._fault(name, error, doing="read") from error
        with opened as file:
            yield file

    def names(self, folder: str) -> list[str]:
        """Names of the files in `folder`, sorted; [] if the folder does not exist."""
        return list(self.sizes(folder))

    def names_from(self, folder: str, *, prefix: str) -> list[str]:
        """Names of the files in `folder` that begin with `prefix`, sorted. Cheaper than `names` in a large folder."""
        with self._errors(folder, doing="listed"):
            if self._local:
                with suppress(FileNotFoundError):
                    return sorted(name for name in os.listdir(self.path(folder)) if name.startswith(prefix))
                return []
            if self._flat:
                before = len(self.path(folder)) + 1
                found = (str(path)[before:] for path in self._fs.find(self.path(folder), prefix=prefix))
                return sorted(name for name in found if "/" not in name)
        return [name for name in self.names(folder) if name.startswith(prefix)]

    def sizes_from(self, folder: str, *, prefix: str) -> dict[str, int]:
        """Sizes in bytes, by name, of the files in a local `folder` that begin with `prefix`; {} if there is none."""
        sizes: dict[str, int] = {}
        with self._errors(folder, doing="listed"), suppress(FileNotFoundError), os.scandir(self.path(folder)) as found:
            for one in found:
                if one.name.startswith(prefix):
                    with suppress(FileNotFoundError):  # another process removed it
                        sizes[one.name] = one.stat().st_size
        return sizes

    def sizes(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of the files in `folder`, by name, sorted; {} if the folder does not exist."""
        files = self._listed(folder, "file")
        return {name: files[name] for name in sorted(files)}

    def _listed(self, folder: str, kind: str) -> dict[str, int]:
        """Sizes in bytes, by name, of the entries of `folder` that are of `kind`: `file` or `directory`."""
        try:
            rows: list[dict[str, Any]] = self._fs.ls(self.path(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        except self._faults as error:
            raise self._fault(folder, error, doing="listed") from error
        found = {str(row["name"]).rstrip("/"): int(row["size"] or 0) for row in rows if row["type"] == kind}
        if not folder and self.path("") in found:
            raise StoreError(f"{self.address} is a file, not a folder; give another --out")
        return {name.rsplit("/", 1)[-1]: size for name, size in found.items()}

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in `folder`, sorted; [] if the folder does not exist."""
        return sorted(self._listed(folder, "directory"))

    def files(self, folder: str) -> dict[str, int]:
        """Sizes in bytes of all files below `folder`, at any depth, by path, sorted; {} if it does not exist."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(self.path(folder), detail=True)
        except OSError as error:
            raise self._fault(folder, error, doing="listed") from error
        start = len(self.path("")) + 1
        return {path[start:]: int(found[path]["size"]) for path in sorted(found)}

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file atomically: a reader sees the old content or the new one. Raises `StoreError`."""
        if not self._local:
            with self.writing(name) as file:
                file.write(data)
            return
        target = self.path(name)
        temporary = f"{target}.{os.urandom(4).hex()}.tmp"
        with self._errors(name):
            try:
                _write_and_rename(temporary, target, data)
            except FileNotFoundError:  # the folder mostly exists: to check first would cost a call a file
                self._make_folder(target)
                _write_and_rename(temporary, target, data)

    @property
    def appends(self) -> bool:
        """Whether files can be appended to; object stores cannot."""
        return self._local

    def append(self, name: str, data: bytes) -> int:
        """Append to a file that nobody else writes, and return the offset of the new data.

        Only where `appends` is true. Raises `StoreError`; half of the data may then be in the file.
        """
        target = self.path(name)
        with self._errors(name):
            try:
                return _append(target, data)
            except FileNotFoundError:
                self._make_folder(target)
                return _append(target, data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file to write. It appears under `name` only if the block ends without an error."""
        target = self.path(name)
        if not self._local:
            with tempfile.NamedTemporaryFile() as file:  # a broken upload may leave half a file
                yield file
                file.flush()
                with self._errors(name):
                    self._make_folder(target)
                    self._fs.put_file(file.name, target)
            return
        with self._errors(name):
            self._make_folder(target)
            temporary = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
            with _removing(temporary), open(temporary, "wb") as file:
                yield file
                file.close()
                os.replace(temporary, target)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not exist yet; False, without any change, if it does. Raises `StoreError`.

        On a service, a file that exists with the same bytes counts as written by this call: the service may have
        stored the file and its answer was lost, and the client then repeats the request by itself.
        """
        target = self.path(name)
        if not self._local:
            with self._errors(name):
                try:
                    self._make_folder(target)
                    self._fs.pipe_file(target, data, mode="create")
                except FileExistsError:
                    with suppress(FileNotFoundError):  # another process removed it
                        return bool(self._fs.cat_file(target) == data)
                    return False
                return True
        temporary = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
        with self._errors(name), _removing(temporary):
            self._make_folder(target)
            with open(temporary, "wb") as file:
                file.write(data)
            try:
                os.link(temporary, target)  # fails if the target exists, unlike `replace`: the first process wins
            except FileExistsError:
                return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file or folder, if it exists."""
        with self._errors(name, doing="removed"):
            if self._fs.exists(self.path(name)):
                self._fs.rm(self.path(name), recursive=True)

    def remove_files(self, names: Sequence[str]) -> None:
        """Remove several files, many in one request if the filesystem can; missing ones are ignored."""
        with self._errors(names[0] if names else "", doing="removed"):
            if not self._flat:
                for name in names:
                    with suppress(FileNotFoundError):
                        self._fs.rm_file(self.path(name))
            elif names:
                self._fs.rm([self.path(name) for name in names])

    def move(self, name: str, new: str) -> None:
        """Rename a file; an existing file at `new` is replaced."""
        with self._errors(new):
            self._make_folder(self.path(new))
            if self._local:
                os.replace(self.path(name), self.path(new))
            else:
                self._fs.mv(self.path(name), self.path(new))


def _write_and_rename(temporary: str, target: str, data: bytes) -> None:
    """Write a local file under a temporary name, then rename it.

    By system calls, without Python's file objects: a run writes many small files.
    """
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            _write_all(file, data)
        finally:
            os.close(file)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _append(target: str, data: bytes) -> int:
    """Append to a local file, and return the offset of the new data."""
    file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
    try:
        start = os.fstat(file).st_size
        _write_all(file, data)
        return start
    finally:
        os.close(file)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


@contextmanager
def _removing(path: str) -> Iterator[None]:
    """Remove the local file at the end of the block, whether it fails or not."""
    try:
        yield
    finally:
        with suppress(OSError):  # it was renamed, or its folder could not be created
            os.unlink(path)


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
