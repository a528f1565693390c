"""Lists of pictures that a dataset must not hold, by their hashes: JSON lines {"item", "hash"}."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from datagen.core.errors import ConfigError, DataError, SetupError
from datagen.imaging.perceptual_hash import PictureHash, Words, hamming_distances, parse_hash
from datagen.models.base import ModelConfig

_LONGEST = 200_000_000
"""In bytes; half a million hashes take as much."""


class NearestItem(NamedTuple):
    """The item of a list that is nearest to a picture."""

    distance: int
    """In bits."""
    list: str
    item: str


class BenchmarkItems(NamedTuple):
    """The items of a list whose hashes were made alike."""

    names: tuple[str, ...]
    words: Words
    """Items x words."""


class BenchmarkListConfig(ModelConfig):
    """Names a benchmark and the file of its hashes, which `python -m datagen hashes` writes."""

    kind: Literal["file"] = "file"
    name: str = Field(min_length=1, max_length=80)
    """What it is called, in rejections and in dataset.json."""
    path: str = Field(min_length=1)
    """The file."""

    @model_validator(mode="after")
    def _readable(self) -> BenchmarkListConfig:
        try:
            self.load()
        except (ConfigError, SetupError) as error:
            raise ValueError(f"the list '{self.name}': {error}") from error
        return self

    @property
    def revision(self) -> str:
        """Its name and a digest of its items: another list is another stage."""
        return f"{super().revision}:{self.name}@{hashlib.sha256(_read(self.path)).hexdigest()[:16]}"

    def load(self) -> dict[str, BenchmarkItems]:
        """The items by how their hashes were made. Raises `SetupError` where a line is no hash."""
        found = _parsed(_read(self.path), self.path)
        if not found:
            raise SetupError(f"{self.path}: the list '{self.name}' is empty; write it anew: {_COMMAND}")
        return found


_COMMAND = "python -m datagen hashes FOLDER --to FILE"


def nearest_item(hash: PictureHash, *, items: BenchmarkItems, list: str) -> NearestItem:
    """The nearest of a list's items, whose hashes were made alike; of several the first."""
    found = hamming_distances(hash.words, items.words)
    at = int(found.argmin())
    return NearestItem(int(found[at]), list, items.names[at])


@lru_cache(maxsize=16)
def _read_as(path: str, stamp: tuple[int, int]) -> bytes:  # noqa: ARG001 - read again when the file is another
    return Path(path).read_bytes()


def _read(path: str) -> bytes:
    """The bytes of a list. Raises `ConfigError`."""
    try:
        found = Path(path).stat()
        if found.st_size > _LONGEST:
            raise ConfigError(f"{path} is larger than {_LONGEST:,} bytes; a list of hashes has 100 a picture")
        return _read_as(path, (found.st_size, found.st_mtime_ns))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no list of hashes {path}; write one: {_COMMAND}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}; write a list by {_COMMAND}") from error


@lru_cache(maxsize=16)
def _parsed(data: bytes, path: str) -> dict[str, BenchmarkItems]:
    """The items of a file's lines by how their hashes were made. Raises `SetupError`."""
    found: dict[str, list[tuple[str, PictureHash]]] = {}
    for number, line in enumerate(data.splitlines(), 1):
        item, hash = _item(line, f"{path}:{number}")
        found.setdefault(hash.by, []).append((item, hash))
    return {
        by: BenchmarkItems(tuple(item for item, _ in rows), np.stack([hash.words for _, hash in rows]))
        for by, rows in found.items()
    }


def _item(line: bytes, where: str) -> tuple[str, PictureHash]:
    try:
        row = json.loads(line)
        return str(row["item"]), parse_hash(row["hash"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, DataError) as error:
        why = error if isinstance(error, DataError) else 'no line of JSON like {"item": ..., "hash": ...}'
        raise SetupError(f"{where}: {why}; write the list anew: {_COMMAND}") from error
