"""Hashes of benchmark pictures that a dataset must not contain, read from files of JSON lines {"item", "hash"}."""

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
"""Largest size of a list in bytes, about half a million hashes."""


class NearestItem(NamedTuple):
    """The item of a list that is nearest to a picture."""

    distance: int
    """Number of differing bits."""
    list: str
    """Name of the list."""
    item: str


class BenchmarkItems(NamedTuple):
    """The items of a list whose hashes were made by one method."""

    names: tuple[str, ...]
    words: Words
    """The hashes, items x words."""


class BenchmarkListConfig(ModelConfig):
    """Names a benchmark and the file of its hashes, which `python -m datagen hashes` writes."""

    kind: Literal["file"] = "file"
    name: str = Field(min_length=1, max_length=80)
    """What it is called, in rejections and in dataset.json."""
    path: str = Field(min_length=1)
    """The file."""

    @model_validator(mode="after")
    def _check_list(self) -> BenchmarkListConfig:
        try:
            self.load()
        except (ConfigError, SetupError) as error:
            raise ValueError(f"the list '{self.name}': {error}") from error
        return self

    @property
    def revision(self) -> str:
        """The list's name and a digest of its file, so that another list changes the stage's fingerprint."""
        return f"{super().revision}:{self.name}@{hashlib.sha256(_read(self.path)).hexdigest()[:16]}"

    def load(self) -> dict[str, BenchmarkItems]:
        """The items by the method that made their hashes. Raises `ConfigError` or `SetupError` for an unusable file."""
        found = _parse(_read(self.path), self.path)
        if not found:
            raise SetupError(f"{self.path}: the list '{self.name}' is empty; write it anew: {_COMMAND}")
        return found


_COMMAND = "python -m datagen hashes FOLDER --to FILE"


def nearest_item(hash: PictureHash, *, items: BenchmarkItems, list: str) -> NearestItem:
    """The item with the fewest differing bits, the first of several; `hash` must be made by the method of `items`."""
    found = hamming_distances(hash.words, items.words)
    at = int(found.argmin())
    return NearestItem(int(found[at]), list, items.names[at])


@lru_cache(maxsize=16)
def _read_cached(path: str, stamp: tuple[int, int]) -> bytes:  # noqa: ARG001 - a new stamp makes it read again
    return Path(path).read_bytes()


def _read(path: str) -> bytes:
    """The bytes of a list. Raises `ConfigError`."""
    try:
        found = Path(path).stat()
        if found.st_size > _LONGEST:
            raise ConfigError(f"{path} is larger than {_LONGEST:,} bytes; a list of hashes has 100 a picture")
        return _read_cached(path, (found.st_size, found.st_mtime_ns))
    except FileNotFoundError as error:
        raise ConfigError(f"there is no list of hashes {path}; write one: {_COMMAND}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}; write a list by {_COMMAND}") from error


@lru_cache(maxsize=16)
def _parse(data: bytes, path: str) -> dict[str, BenchmarkItems]:
    """The items of a file by the method that made their hashes. Raises `SetupError`."""
    found: dict[str, list[tuple[str, PictureHash]]] = {}
    for number, line in enumerate(data.splitlines(), 1):
        item, hash = _parse_line(line, f"{path}:{number}")
        found.setdefault(hash.by, []).append((item, hash))
    return {
        by: BenchmarkItems(tuple(item for item, _ in rows), np.stack([hash.words for _, hash in rows]))
        for by, rows in found.items()
    }


def _parse_line(line: bytes, where: str) -> tuple[str, PictureHash]:
    try:
        row = json.loads(line)
        return str(row["item"]), parse_hash(row["hash"])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, DataError) as error:
        why = error if isinstance(error, DataError) else 'no line of JSON like {"item": ..., "hash": ...}'
        raise SetupError(f"{where}: {why}; write the list anew: {_COMMAND}") from error
