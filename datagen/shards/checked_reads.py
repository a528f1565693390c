"""Ranged reads of shards: of links, as in the cache of a hub, and of copies of what lies in a bucket."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from filelock import FileLock

from datagen.core.errors import StoreError
from datagen.shards.index import ShardInfo, read_dataset
from datagen.storage.store import Store

_BLOCK = 1 << 20
_Identity = tuple[int, int, int, int]
"""Device and number of a file, and when its content and its metadata changed last, in nanoseconds."""


class CheckedShards:
    """The shards of the dataset in `store`.

    A shard that is a link may lead to any file of the machine. So it is read only if that file has the size and the
    SHA-256 that dataset.json lists; the file is hashed once, and again if it has changed. A pickled copy checks anew.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sound: dict[str, _Identity] = {}
        """What each link led to when it was checked."""

    @property
    def address(self) -> str:
        """The folder or address of the dataset."""
        return self._store.address

    @cached_property
    def _infos(self) -> Mapping[str, ShardInfo]:
        return {shard.path: shard for shard in read_dataset(self._store).shards}

    def __getstate__(self) -> dict[str, Any]:
        return {"_store": self._store, "_sound": {}}

    def read_range(self, path: str, *, start: int, size: int) -> bytes:
        """`size` bytes of a shard from `start`. Raises `StoreError` if there are fewer, or it is a link elsewhere."""
        if not self._store.is_linked(path):
            return self._store.read_range(path, start=start, size=size)
        with self._store.reading(path) as file:
            self._check(path, file)
            file.seek(start)
            data = file.read(size)
        if len(data) != size:
            end = start + len(data)
            raise StoreError(f"{self.address}/{path}: ends after {end} bytes, {start + size} were expected")
        return data

    def _check(self, path: str, file: IO[bytes]) -> None:
        found = os.fstat(file.fileno())
        identity = (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
        if self._sound.get(path) == identity:
            return
        expected = self._infos[path]
        if found.st_size != expected.bytes or _sha256(file) != expected.sha256:
            raise StoreError(
                f"{self.address}/{path} is a symbolic link to a file that is not the shard: its size or sha256 is not "
                "that of dataset.json; put the shard itself there, or download the dataset again"
            )
        self._sound[path] = identity


class CachedShards(CheckedShards):
    """The shards of the dataset in `store`, each read from the folder once it is there.

    A shard is a file named by its SHA-256, which is checked while it is copied: so one folder serves any number of
    datasets and processes, and what was packed anew is copied anew. Nothing is ever removed from it.
    """

    def __init__(self, store: Store, folder: str) -> None:
        super().__init__(store)
        self._folder = Path(folder)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_folder": self._folder}

    def read_range(self, path: str, *, start: int, size: int) -> bytes:
        """`size` bytes of a shard from `start`.

        Raises `StoreError` if the shard is missing, is not what dataset.json lists, or cannot be copied.
        """
        shard = self._infos[path]
        place = self._folder / f"{shard.sha256}.tar"
        try:
            if not _is_whole(place, shard):
                self._copy(shard, place)
            with place.open("rb") as file:
                file.seek(start)
                return file.read(size)
        except OSError as error:
            raise StoreError(
                f"{self._folder}: shard {path} of {self.address} cannot be stored there: {error.strerror or error}; "
                "choose another folder as cache, or none"
            ) from error

    def _copy(self, shard: ShardInfo, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{place}.lock"):
            if _is_whole(place, shard):
                return  # another process has copied it
            partial = place.with_suffix(".partial")
            digest = hashlib.sha256()
            with self._store.reading(shard.path) as file, partial.open("wb") as copy:
                while data := file.read(_BLOCK):
                    digest.update(data)
                    copy.write(data)
            if digest.hexdigest() != shard.sha256:
                partial.unlink()
                raise StoreError(
                    f"{self.address}/{shard.path} has another SHA-256 than dataset.json lists; "
                    f"`python -m datagen verify {self.address}` says more"
                )
            os.replace(partial, place)


def _is_whole(place: Path, shard: ShardInfo) -> bool:
    return place.is_file() and place.stat().st_size == shard.bytes


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while data := file.read(_BLOCK):
        digest.update(data)
    return digest.hexdigest()
