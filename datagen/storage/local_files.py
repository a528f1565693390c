"""Files below one folder of this machine. No symbolic link below that folder is followed; the folder may be one itself.

An operation opens the folders on its way one by one, by descriptor and without following links, so that a link which
another process plants at the same time is not followed either.

A writer has a folder of its own (`LocalFiles.place`), and each of its changes is one rename from or into it: a file is
written there and renamed to its name, and what is removed is renamed into it first. So whoever removes that folder has
stopped the writer: whatever it had begun fails, and it can change nothing any more, although it may still be alive.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from typing import IO, NamedTuple

from datagen.core.errors import StoreError

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ROOT = _FOLDER & ~os.O_NOFOLLOW
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""Without O_NONBLOCK, opening a FIFO waits for somebody to write into it."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_TRIES = 1000
_BLOCK = 1 << 20


class ExpelledError(StoreError):
    """Another process took the lock over, so that this one may not write any more."""


class FolderEntry(NamedTuple):
    """A file or folder: the descriptor of the folder that holds it, and its name there."""

    folder: int
    name: str


class LocalFiles:
    """Files below the folder `root`, which errors call `address`. Names are relative, with forward slashes.

    All methods raise `OSError` as the system does, and `StoreError` for a link on the way and for what is no file.
    """

    def __init__(self, root: str, *, address: str, place: str = "") -> None:
        self.root = root
        self.address = address
        self.place = place
        """Folder of the writer, below `root`; '' if changes need none."""

    def read(self, name: str, start: int | None, end: int | None, *, follow: bool) -> bytes:
        """The bytes of a file from `start` to `end`; with `follow` also of one behind links."""
        [found] = self.read_ranges([(name, start, end)], follow=lambda _: follow)
        if isinstance(found, Exception):
            raise found
        return found

    def read_ranges(
        self, wanted: Sequence[tuple[str, int | None, int | None]], *, follow: Callable[[str], bool]
    ) -> Iterator[bytes | Exception]:
        """Yield the bytes of each range (name, start, end), or the error. Ranges of one file in a row open it once."""
        for name, ranges in groupby(wanted, lambda range: range[0]):
            chosen = [(start or 0, end) for _, start, end in ranges]
            try:
                with self.open(name, follow=follow(name)) as file:
                    size = os.fstat(file.fileno()).st_size
                    found = [_read_range(file, start, size if end is None else min(end, size)) for start, end in chosen]
            except (OSError, StoreError) as error:
                yield from [error] * len(chosen)
            else:
                yield from found

    def open(self, name: str, *, follow: bool) -> IO[bytes]:
        """Open a plain file to read."""
        return open(self._descriptor(name, follow=follow), "rb")

    def _descriptor(self, name: str, *, follow: bool) -> int:
        try:
            if follow:
                file = os.open(f"{self.root}/{name}", _READ)
            else:
                with self._located(name) as at:
                    file = os.open(at.name, _READ | os.O_NOFOLLOW, dir_fd=at.folder)
        except OSError as error:
            if error.errno == errno.ELOOP and not follow:
                raise self._link_error(name) from error
            if error.errno == errno.ENXIO:
                raise self._odd_file_error(name, "a socket") from error
            raise
        kind = stat.S_IFMT(os.fstat(file).st_mode)
        if kind == stat.S_IFREG:
            return file
        os.close(file)
        if kind == stat.S_IFDIR:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
        raise self._odd_file_error(name, _KINDS.get(kind, "something else"))

    def exists(self, name: str, *, follow: bool) -> bool:
        """Whether there is a file or folder; without `follow`, a link is there even if it leads nowhere."""
        if follow or not name:
            return os.path.exists(f"{self.root}/{name}")
        try:
            with self._located(name) as at:
                os.stat(at.name, dir_fd=at.folder, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def is_linked(self, name: str) -> bool:
        """Whether a file is a symbolic link or lies behind one."""
        path = self.root
        for part in _parts(name):
            path = f"{path}/{part}"
            if os.path.islink(path):
                return True
        return False

    def entries(self, folder: str, *, follow: bool) -> dict[str, tuple[bool, int]]:
        """What is in a folder, by name: whether it is a folder, and its size in bytes, 0 if it is no plain file.

        A symbolic link is never a folder, whatever it leads to. {} if the folder does not exist.
        """
        found: dict[str, tuple[bool, int]] = {}
        with suppress(FileNotFoundError), self._listed(folder, follow=follow) as opened, os.scandir(opened) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process removed it
                    size = entry.stat(follow_symlinks=False).st_size if entry.is_file(follow_symlinks=False) else 0
                    found[entry.name] = (entry.is_dir(follow_symlinks=False), size)
        return found

    def walk(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the path and the size of each file below a folder, at any depth; links and other odd ones are empty."""
        with suppress(FileNotFoundError):
            for name, (is_folder, size) in self.entries(folder, follow=False).items():
                path = f"{folder}/{name}" if folder else name
                if is_folder:
                    yield from self.walk(path)
                else:
                    yield path, size

    @contextmanager
    def _listed(self, folder: str, *, follow: bool) -> Iterator[int]:
        if follow:
            opened = os.open(f"{self.root}/{folder}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            with self._folder(_parts(folder)) as found:  # this one may have been opened without the right to list
                opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found)
        try:
            yield opened
        finally:
            os.close(opened)

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file atomically: a reader sees the old content or the new one."""
        with self._located(name, make=True) as at, self._temporary(at) as temporary:
            _write_new(temporary, data)
            self._change(os.rename, temporary, at)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file to write. It appears under `name` only if the block ends without an error."""
        with self._located(name, make=True) as at, self._temporary(at) as temporary:
            with open(os.open(temporary.name, _NEW, 0o666, dir_fd=temporary.folder), "wb") as file:
                yield file
            self._change(os.rename, temporary, at)

    def create(self, name: str, data: bytes) -> bool:
        """Write a file that must not exist yet; False, without any change, if it does."""
        with self._located(name, make=True) as at, self._temporary(at) as temporary:
            _write_new(temporary, data)
            try:
                self._change(os.link, temporary, at)  # fails if the target exists, unlike `rename`: the first one wins
            except FileExistsError:
                return False
            return True

    def append(self, name: str, data: bytes) -> int:
        """Append to a file that nobody else writes, and return the offset of the new data."""
        with self._located(name, make=True) as at:
            try:
                file = os.open(at.name, _APPEND, 0o666, dir_fd=at.folder)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise self._link_error(name) from error
                if error.errno == errno.ENXIO:
                    raise self._odd_file_error(name, "a FIFO or socket") from error
                raise
        try:
            now = os.fstat(file)
            if not stat.S_ISREG(now.st_mode):
                raise self._odd_file_error(name, _KINDS.get(stat.S_IFMT(now.st_mode), "something else"))
            _write_all(file, data)
            return now.st_size
        finally:
            os.close(file)

    def remove(self, name: str) -> None:
        """Remove a file, a folder with all that is in it, or a link itself, if it exists."""
        with suppress(FileNotFoundError), self._located(name) as at:
            if not self.place:
                _remove_at(at)
                return
            with self._own_folder() as own:
                removed = FolderEntry(own, uuid.uuid4().hex)
                try:
                    os.rename(at.name, removed.name, src_dir_fd=at.folder, dst_dir_fd=own)
                    at = removed
                except FileNotFoundError as error:
                    raise self._expelled_or(error) from error
                except OSError as error:
                    self._look_if_elsewhere(error)
                _remove_at(at)

    def move(self, name: str, new: str) -> None:
        """Rename a file; an existing file at `new` is replaced."""
        with self._located(name) as at, self._located(new, make=True) as target:
            if not self.place:
                self._change(os.rename, at, target)
                return
            with self._temporary(target) as temporary:
                self._change(os.rename, at, temporary)
                self._change(os.rename, temporary, target)

    def make_place(self, place: str) -> None:
        """Make the folder of a writer."""
        with self._folder(_parts(place), make=True):
            pass

    def remove_place(self, place: str) -> None:
        """Remove the folder of a writer. When this returns, no change by that writer takes effect any more.

        The folder is renamed first. Then the writer finds it no more, even if it cannot be emptied: a network share
        keeps removed files under other names while a process of this machine has them open.
        """
        around, _, token = place.rpartition("/")
        with suppress(FileNotFoundError), self._located(place) as at:
            self._change(os.rename, at, at._replace(name=f"{token}-{uuid.uuid4().hex[:8]}"))
        for name in self.entries(around, follow=False):
            if name.startswith(f"{token}-"):  # also one that another process has renamed, and not yet emptied
                self._empty(f"{around}/{name}")

    def _empty(self, folder: str) -> None:
        for _ in range(_TRIES):  # the writer may be alive, and have begun another file there
            with suppress(OSError), self._located(folder) as at:
                _remove_at(at)
            if not self.exists(folder, follow=False):
                return

    @contextmanager
    def _folder(self, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a folder; with `make`, it is created if it does not exist.

        Raises `StoreError` if a link is on the way.
        """
        try:
            here = os.open(self.root, _ROOT)
        except FileNotFoundError:
            if not make:
                raise
            os.makedirs(self.root, exist_ok=True)
            here = os.open(self.root, _ROOT)
        try:
            for number, part in enumerate(parts):
                try:
                    below = _open_folder(FolderEntry(here, part), make=make)
                except OSError as error:
                    if error.errno in (errno.ENOTDIR, errno.ELOOP) and _is_link(FolderEntry(here, part)):
                        raise self._link_error("/".join(parts[: number + 1])) from error
                    raise
                os.close(here)
                here = below
            yield here
        finally:
            os.close(here)

    @contextmanager
    def _located(self, name: str, *, make: bool = False) -> Iterator[FolderEntry]:
        """The place of a file; with `make`, its folder is created if it does not exist."""
        *way, last = _parts(name) or ["."]
        with self._folder(way, make=make) as folder:
            yield FolderEntry(folder, last)

    @contextmanager
    def _temporary(self, target: FolderEntry) -> Iterator[FolderEntry]:
        """The place of a file that is going to be renamed to `target`; what is left there at the end is removed."""
        part = uuid.uuid4().hex[:8]
        with self._own_folder(target.folder) as folder:
            temporary = FolderEntry(folder, f"{target.name[:200]}.{part}.tmp")
            try:
                yield temporary
            except FileNotFoundError as error:
                raise self._expelled_or(error) from error
            finally:
                with suppress(OSError):  # it was renamed, or its folder is gone
                    os.unlink(temporary.name, dir_fd=temporary.folder)

    @contextmanager
    def _own_folder(self, otherwise: int = -1) -> Iterator[int]:
        """The folder of the writer; `otherwise` if it has none."""
        if not self.place:
            yield otherwise
            return
        with ExitStack() as stack:
            try:
                own = stack.enter_context(self._folder(_parts(self.place)))
            except FileNotFoundError as error:
                raise self._expelled_or(error) from error
            yield own

    def _change(self, call: Callable[..., None], one: FolderEntry, other: FolderEntry) -> None:
        """Rename or link a file."""
        try:
            call(one.name, other.name, src_dir_fd=one.folder, dst_dir_fd=other.folder)
        except FileNotFoundError as error:
            raise self._expelled_or(error) from error
        except OSError as error:
            copied = other._replace(name=f"{other.name[:200]}.{uuid.uuid4().hex[:8]}.tmp")
            try:
                if error.errno == errno.EXDEV:
                    _copy(one, copied)
                self._look_if_elsewhere(error)
                call(copied.name, other.name, src_dir_fd=other.folder, dst_dir_fd=other.folder)
                os.unlink(one.name, dir_fd=one.folder)
            finally:
                with suppress(OSError):
                    os.unlink(copied.name, dir_fd=other.folder)

    def _look_if_elsewhere(self, error: OSError) -> None:
        """Look that the writer was not expelled, if `error` says that a disk is mounted below the folder; else raise.

        Between two disks nothing can be renamed, so that a change between look and change still takes effect.
        """
        if error.errno != errno.EXDEV or not self.place:
            raise error
        if not self.exists(self.place, follow=False):
            raise self._expelled_or(FileNotFoundError()) from error

    def _expelled_or(self, error: FileNotFoundError) -> Exception:
        """What a file that is missing means: that this writer was expelled, if its folder is gone; else `error`."""
        if self.place and not self.exists(self.place, follow=False):
            return ExpelledError(f"{self.address}: another process took the lock over; this one writes nothing more")
        return error

    def _link_error(self, name: str) -> StoreError:
        return StoreError(
            f"{self.address}/{name} is a symbolic link, and links below {self.address} are not followed here; "
            "put the file or folder itself in its place"
        )

    def _odd_file_error(self, name: str, kind: str) -> StoreError:
        return StoreError(f"{self.address}/{name} is {kind}, not a file; remove it")


def _parts(name: str) -> list[str]:
    return [part for part in name.split("/") if part not in ("", ".")]


def _open_folder(at: FolderEntry, *, make: bool) -> int:
    try:
        return os.open(at.name, _FOLDER, dir_fd=at.folder)
    except FileNotFoundError:
        if not make:
            raise
    with suppress(FileExistsError):
        os.mkdir(at.name, dir_fd=at.folder)
    return os.open(at.name, _FOLDER, dir_fd=at.folder)


def _is_link(at: FolderEntry) -> bool:
    return stat.S_ISLNK(os.stat(at.name, dir_fd=at.folder, follow_symlinks=False).st_mode)


def _remove_at(at: FolderEntry) -> None:
    if stat.S_ISDIR(os.stat(at.name, dir_fd=at.folder, follow_symlinks=False).st_mode):
        shutil.rmtree(at.name, dir_fd=at.folder)
    else:
        os.unlink(at.name, dir_fd=at.folder)


def _copy(one: FolderEntry, other: FolderEntry) -> None:
    source = os.open(one.name, _READ | os.O_NOFOLLOW, dir_fd=one.folder)
    with open(source, "rb") as read, open(os.open(other.name, _NEW, 0o666, dir_fd=other.folder), "wb") as written:
        shutil.copyfileobj(read, written, _BLOCK)


def _write_new(at: FolderEntry, data: bytes) -> None:
    """Write a new file by system calls, without Python's file objects: a run writes many small files."""
    file = os.open(at.name, _NEW, 0o666, dir_fd=at.folder)
    try:
        _write_all(file, data)
    finally:
        os.close(file)


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]


def _read_range(file: IO[bytes], start: int, end: int) -> bytes:
    if start >= end:  # beyond the end of the file, also so far that the system could not seek there
        return b""
    file.seek(start)
    return file.read(end - start)
