"""Shards of a dataset in a bucket, copied to this machine when they are read for the first time."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from filelock import FileLock

from datagen.core.errors import StoreError
from datagen.shards.checked_reads import CheckedShards
from datagen.shards.index import ShardInfo
from datagen.storage.store import Store

_BLOCK = 1 << 20


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
