"""A folder on any fsspec address, with the few operations that commits need."""

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
from datagen.core.redact import public, secret_in

_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"}
"""Where folders are but parts of names; s3fs would make the bucket if it were told to make one."""


_NO_RANGE = (ValueError, OverflowError, MemoryError)
"""What Python raises where a range is one that no file can have."""


class Store:
    """Files below one address; every path is relative to it, with forward slashes."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/") or "/"
        self._fs, root = _opened(self.address)
        self._root = str(root).rstrip("/")
        self._local = isinstance(self._fs, LocalFileSystem)
        protocols = {self._fs.protocol} if isinstance(self._fs.protocol, str) else set(self._fs.protocol)
        self._flat = bool(protocols & _OBJECT_STORES)
        self._faults = OSError if self._local else Exception  # services have errors of their own, such as botocore's

    def _fault(self, name: str, error: Exception, *, doing: str) -> StoreError:
        """What to say where the filesystem refuses."""
        if self._local and self._fs.isfile(self._root):
            return StoreError(f"{self.address} is a file, not a folder; give another --out")
        place = f"{self.address}/{name}" if name else self.address
        why = getattr(error, "strerror", None) or error
        return StoreError(f"{place} cannot be {doing}: {why}; {self._remedy(error, doing)}")

    def _remedy(self, error: Exception, doing: str) -> str:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return "free some space and run the same command again, which goes on from here, or give another --out"
        told = f"{type(error).__name__} {error} {error.__cause__!r}".lower()
        if "bucket" in told and ("not exist" in told or "nosuchbucket" in told):
            return "make the bucket first, or give another --out"
        if not self._local and (isinstance(error, PermissionError) or "credential" in told or "accesskey" in told):
            return "give credentials that may read and write there (for s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        if not self._local:
            return "see that it can be reached, and run the same command again"
        return "give a folder that can be written, by --out" if doing == "written" else "see to its permissions"

    @contextmanager
    def _told(self, name: str, *, doing: str = "written") -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            raise self._fault(name, error, doing=doing) from error

    def _make_folder(self, path: str) -> None:
        if not self._flat:
            self._fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)

    def path(self, name: str) -> str:
        """The filesystem's own path of `name`. Raises `StoreError` for a name that would lead out of the store."""
        if (".." in name and ".." in name.split("/")) or "\0" in name:
            raise StoreError(f"{self.address}: something in it names the file {name[:200]!r}, which is not in it")
        return f"{self._root}/{name}" if name else self._root

    def exists(self, name: str) -> bool:
        """Whether `name` is there, as a file or a folder."""
        with self._told(name, doing="read"):
            return bool(self._fs.exists(self.path(name)))

    def read(self, name: str) -> bytes:
        """The whole of a file. Raises `StoreError` if it is not there."""
        return self._reading(name, None, None)

    def find(self, name: str) -> bytes | None:
        """The whole of a file; None if it is not there. Raises `StoreError`."""
        if not self._local:
            return self.read(name) if self.exists(name) else None
        with self._told(name, doing="read"):
            try:
                file = os.open(self.path(name), os.O_RDONLY | os.O_CLOEXEC)
            except (FileNotFoundError, NotADirectoryError):
                return None
            with open(file, "rb") as opened:
                return opened.read()

    def read_range(self, name: str, *, start: int, size: int) -> bytes:
        """`size` bytes from `start`. Raises `StoreError` if there are fewer."""
        self._check_range(name, start, size)
        data = self._reading(name, start, start + size)
        self._check_length(name, start, size, data)
        return data

    def _check_range(self, name: str, start: int, size: int) -> None:
        if start < 0 or size < 0:
            raise StoreError(f"{self.address}/{name}: no file has {size} bytes at byte {start}")

    def _check_length(self, name: str, start: int, size: int, data: bytes) -> None:
        if len(data) != size:
            end = f"after {start + len(data)} bytes" if data else f"at byte {start} or before"
            raise StoreError(f"{self.address}/{name}: ends {end}, {start + size} were expected")

    def _reading(self, name: str, start: int | None, end: int | None) -> bytes:
        if start is not None and start == end:
            return b""  # which object stores refuse, or take for the whole file
        try:
            return bytes(self._fs.cat_file(self.path(name), start=start, end=end))
        except (self._faults, *_NO_RANGE) as error:
            return self._read_in_vain(name, error)

    def _read_in_vain(self, name: str, error: Exception) -> bytes:
        if isinstance(error, FileNotFoundError):
            raise StoreError(f"{self.address}/{name} is missing") from error
        if not self._local and getattr(error, "errno", None) == errno.EINVAL and "range" in str(error):
            return b""  # it begins behind the end
        raise self._fault(name, error, doing="read") from error

    def read_ranges(self, ranges: Sequence[tuple[str, int, int]]) -> list[bytes]:
        """Several (name, start, size) at once, side by side where the filesystem can."""
        for name, start, size in ranges:
            self._check_range(name, start, size)
        wanted = [(name, start, start + size) for name, start, size in ranges if size]
        found = iter(self._read_side_by_side(wanted))
        answer = [next(found) if size else b"" for _, _, size in ranges]
        for (name, start, size), data in zip(ranges, answer, strict=True):
            if isinstance(data, Exception):
                raise data
            self._check_length(name, start, size, data)
        return [data for data in answer if isinstance(data, bytes)]

    def read_many(self, names: Sequence[str]) -> list[bytes | StoreError]:
        """The whole of several files at once; the error in the place of one that cannot be read."""
        return self._read_side_by_side([(name, None, None) for name in names])

    def _read_side_by_side(self, wanted: Sequence[tuple[str, int | None, int | None]]) -> list[bytes | StoreError]:
        if not wanted:
            return []
        paths = [self.path(name) for name, _, _ in wanted]
        starts, ends = [start for _, start, _ in wanted], [end for _, _, end in wanted]
        answer: list[bytes | StoreError] = []
        for (name, _, _), data in zip(wanted, self._fs.cat_ranges(paths, starts, ends, on_error="return"), strict=True):
            try:
                answer.append(self._read_in_vain(name, data) if isinstance(data, Exception) else bytes(data))
            except StoreError as error:
                answer.append(error)
        return answer

    @contextmanager
    def reading(self, name: str) -> Iterator[IO[bytes]]:
        """A file to read from the front. Raises `StoreError` if it is not there."""
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
        """Names of the files in `folder`, sorted; [] if there is no such folder."""
        return list(self.sizes(folder))

    def names_from(self, folder: str, *, prefix: str) -> list[str]:
        """Names of the files in `folder` that begin with `prefix`, sorted, without a look at the others."""
        with self._told(folder, doing="listed"):
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
        """Bytes of what is in a local `folder` and begins with `prefix`, by name; {} if there is no such folder."""
        sizes: dict[str, int] = {}
        with self._told(folder, doing="listed"), suppress(FileNotFoundError), os.scandir(self.path(folder)) as found:
            for one in found:
                if one.name.startswith(prefix):
                    with suppress(FileNotFoundError):  # removed meanwhile
                        sizes[one.name] = one.stat().st_size
        return sizes

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of the files in `folder`, by name, sorted; {} if there is no such folder."""
        files = self._listed(folder, "file")
        return {name: files[name] for name in sorted(files)}

    def _listed(self, folder: str, kind: str) -> dict[str, int]:
        """Bytes of what is of this kind in `folder`, by name."""
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
        """Names of the folders in `folder`, sorted; [] if there is no such folder."""
        return sorted(self._listed(folder, "directory"))

    def files(self, folder: str) -> dict[str, int]:
        """Bytes of all files below `folder`, however deep, by their path, sorted; {} if there is no such folder."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(self.path(folder), detail=True)
        except OSError as error:
            raise self._fault(folder, error, doing="listed") from error
        start = len(self.path("")) + 1
        return {path[start:]: int(found[path]["size"]) for path in sorted(found)}

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file; a reader sees the old one or the new one, never half."""
        if not self._local:
            with self.writing(name) as file:
                file.write(data)
            return
        target = self.path(name)
        passing = f"{target}.{os.urandom(4).hex()}.tmp"
        with self._told(name):
            try:
                _move_in(passing, target, data)
            except FileNotFoundError:  # mostly the folder is there, and is not asked for
                self._make_folder(target)
                _move_in(passing, target, data)

    @property
    def appends(self) -> bool:
        """Whether files can be added to, as those of object stores cannot."""
        return self._local

    def append(self, name: str, data: bytes) -> int:
        """Add to the end of a file that no one else writes; the byte at which it begins. An error may leave half of it.

        Raises `StoreError`; where `appends` is false nothing can be added.
        """
        target = self.path(name)
        with self._told(name):
            try:
                return _added(target, data)
            except FileNotFoundError:
                self._make_folder(target)
                return _added(target, data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file that appears under `name` only when the block ends without an error."""
        target = self.path(name)
        if not self._local:
            with tempfile.NamedTemporaryFile() as file:  # an upload that breaks off may leave half a file
                yield file
                file.flush()
                with self._told(name):
                    self._make_folder(target)
                    self._fs.put_file(file.name, target)
            return
        with self._told(name):
            self._make_folder(target)
            passing = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
            with _removed(passing), open(passing, "wb") as file:
                yield file
                file.close()
                os.replace(passing, target)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not be there yet; False, and nothing changed, if it is.

        One that is there with the same bytes counts as written by this call: a service may
        have taken the file and lost its answer, and the client asks again by itself.
        """
        target = self.path(name)
        if not self._local:
            with self._told(name):
                try:
                    self._make_folder(target)
                    self._fs.pipe_file(target, data, mode="create")
                except FileExistsError:
                    with suppress(FileNotFoundError):  # removed meanwhile
                        return bool(self._fs.cat_file(target) == data)
                    return False
                return True
        passing = f"{target}.{uuid.uuid4().hex[:8]}.tmp"
        with self._told(name), _removed(passing):
            self._make_folder(target)
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

    def remove_files(self, names: Sequence[str]) -> None:
        """Remove several files, many at once where the filesystem can; those that are not there are passed over."""
        with self._told(names[0] if names else "", doing="removed"):
            if not self._flat:
                for name in names:
                    with suppress(FileNotFoundError):
                        self._fs.rm_file(self.path(name))
            elif names:
                self._fs.rm([self.path(name) for name in names])

    def move(self, name: str, new: str) -> None:
        """Rename a file, replacing what is there."""
        with self._told(new):
            self._make_folder(self.path(new))
            if self._local:
                os.replace(self.path(name), self.path(new))
            else:
                self._fs.mv(self.path(name), self.path(new))


def _move_in(passing: str, target: str, data: bytes) -> None:
    """Write a local file under a passing name, then give it its own; by system calls alone, as small files are many."""
    file = os.open(passing, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            _write_all(file, data)
        finally:
            os.close(file)
        os.replace(passing, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(passing)
        raise


def _added(target: str, data: bytes) -> int:
    """Write at the end of a local file, and where that is."""
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
def _removed(path: str) -> Iterator[None]:
    """Whatever happens in the block, no local file is left under `path`."""
    try:
        yield
    finally:
        with suppress(OSError):  # such as a folder that could not be made
            os.unlink(path)


def _opened(address: str) -> tuple[Any, str]:
    """The filesystem of an address, one that remembers no listings, and the path in it."""
    if re.fullmatch(r"[\w.+-]*:", address):
        raise StoreError(f"{address}// names no folder; give a path, or an address such as s3://bucket/folder")
    if secret := secret_in(address, {}):
        raise StoreError(
            f"{public(address)} holds {secret}, which logs and other users of the machine would see; "
            "put it into the environment (for s3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )
    try:
        fs, root = url_to_fs(address)
        if not isinstance(fs, LocalFileSystem):
            fs, root = url_to_fs(address, use_listings_cache=False)  # others write there too
    except ImportError as error:
        scheme = address.split("://", 1)[0]
        extra = "pip install 'datagen[s3]'" if scheme in ("s3", "s3a") else "install what it names"
        raise StoreError(f"{address} cannot be opened: {error}; {extra}") from error
    except ValueError as error:
        raise StoreError(f"{address} cannot be opened: {error}; give a folder, or an address such as s3://") from error
    return fs, str(root)
