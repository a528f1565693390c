"""The columns of accepted samples that pack takes, and hashes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Digests = NDArray[np.bytes_]
"""16 bytes each; ordered as bytes are."""
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

Rows = Callable[[Sequence[str]], Iterator[pa.Table]]
"""Streams the accepted samples in the named columns, some thousand rows a table; may be called again and again."""

_TEXTS = ("slice", "id", "key", "source_uri", "source_sha256", "part", "sha256", "members", "content")
_TOLD = ("task", "instruction", "license", "scores")
ACCEPTED = pa.schema(
    [(name, pa.large_string()) for name in _TEXTS]
    + [(name, pa.int64()) for name in ("offset", "size")]
    + [(name, pa.large_string()) for name in _TOLD]
)
"""Columns of an accepted sample.

`slice` begins with the slice's number; `part` is a path in the store, `offset`, `size` and `sha256`
are those of the sample's bytes in it; `members` is JSON {name: [offset in the part, size]}, `scores`
JSON {name: value}.
"""

NARROW = ("slice", "id", "key", "content", "source_uri", "source_sha256", "size", "sha256")
"""What samples are planned from."""

WIDE = ("key", "part", "offset", "size", "sha256", "members", *_TOLD)
"""What shards are written from."""


def digests(values: Iterable[object], *, seed: int | None = None) -> Digests:
    """The first 128 bits of the sha256 of `seed|value`, or of `value` where there is no seed."""
    before = "" if seed is None else f"{seed}|"
    joined = b"".join(hashlib.sha256(f"{before}{value}".encode()).digest()[:16] for value in texts(values))
    return np.frombuffer(joined, "S16")


def texts(values: Iterable[object]) -> Iterable[object]:
    """Python values of a column, or of what is no column."""
    return values.to_pylist() if isinstance(values, pa.ChunkedArray | pa.Array) else values


def filled(column: pa.ChunkedArray) -> list[str]:
    """Texts of a column, '' where there is none."""
    return [value or "" for value in column.to_pylist()]


def found_in(known: Digests, wanted: Digests) -> tuple[Numbers, Flags]:
    """For each of `wanted`, its place in the sorted `known`, and whether it is there."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return places, np.asarray(known[places] == wanted, dtype=np.bool_)
