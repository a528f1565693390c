"""A folder that appears whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from datagen.core.errors import ConfigError, StoreError

MANIFEST: Final = "export.json"
"""Says what an export is; written last."""
_UNFINISHED: Final = "unfinished-export"
"""An empty file that marks a folder as an export on its way."""


def building_place(folder: Path) -> Path:
    """The folder in which an export to `folder` is written until it is whole: a neighbour of it."""
    return folder.with_name(f"{folder.name}.unfinished")


def find_manifest(folder: Path) -> bytes | None:
    """The manifest of the whole export in `folder`; None if the folder is missing or empty.

    Raises `ConfigError` if it is a file, or has other things in it than an export.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a folder; give another --to")
    try:
        if (folder / MANIFEST).is_file():
            return (folder / MANIFEST).read_bytes()
        is_taken = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise ConfigError(f"{folder} cannot be read: {error.strerror}; give another --to") from error
    if is_taken:
        raise ConfigError(f"{folder} has other things in it than an export; give a new folder by --to")
    return None


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new empty folder to write into, which becomes `folder` if the block ends without an error.

    What a killed export left is removed first. Otherwise nothing is left of a block that fails. Raises `ConfigError` if
    another process is at it or if the place is taken, `StoreError` if the folder cannot be written.
    """
    place = building_place(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _claim(place)
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise _write_error(folder, error) from error
    try:
        _lock(descriptor, place)
        with _removed_on_failure(place):
            try:
                _clear(place)
                yield place
                os.replace(place, folder)
                (folder / _UNFINISHED).unlink()
            except OSError as error:
                raise _write_error(folder, error) from error
    finally:
        os.close(descriptor)


@contextmanager
def _removed_on_failure(place: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _write_error(folder: Path, error: OSError) -> StoreError:
    """The error for a folder that cannot be written."""
    return StoreError(
        f"{folder} cannot be written: {error.strerror or error}; see to its space and permissions, or give another --to"
    )


def _claim(place: Path) -> None:
    """Make the place, or find it as an export left it."""
    try:
        place.mkdir()
    except FileExistsError:
        if place.is_symlink() or not place.is_dir():
            raise ConfigError(f"{place} is in the way; move it, or give another --to") from None
        if any(place.iterdir()) and not (place / _UNFINISHED).is_file():
            raise ConfigError(f"{place} has other things in it than an unfinished export; move it away") from None


def _lock(descriptor: int, place: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_there = os.path.samestat(os.fstat(descriptor), os.stat(place))  # else another process has just finished it
    except (BlockingIOError, FileNotFoundError):
        is_there = False
    if not is_there:
        raise ConfigError(f"another process exports into {place}; wait for it, or give another --to")


def _clear(place: Path) -> None:
    (place / _UNFINISHED).touch()
    for entry in place.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _UNFINISHED:
            entry.unlink()
