"""The columns of accepted samples that packing reads, and 128-bit hashes of their values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Digests = NDArray[np.bytes_]
"""128-bit hashes, 16 bytes each, in the order of bytes."""
Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]

Rows = Callable[[Sequence[str]], Iterator[pa.Table]]
"""Streams the accepted samples with the requested columns, some thousand rows a table. May be called several times."""

_TEXTS = ("slice", "id", "key", "source_uri", "source_sha256", "part", "sha256", "members", "content")
_CARD_COLUMNS = ("task", "instruction", "license", "scores")
ACCEPTED = pa.schema(
    [(name, pa.large_string()) for name in _TEXTS]
    + [(name, pa.int64()) for name in ("offset", "size")]
    + [(name, pa.large_string()) for name in _CARD_COLUMNS]
)
"""Columns of an accepted sample.

`slice` begins with the number of the slice. `part` is a path in the store; `offset`, `size` and `sha256` describe the
sample's bytes in that part. `members` is JSON {name: [offset in the part, size]}, `scores` JSON {name: value}.
"""

NARROW = ("slice", "id", "key", "content", "source_uri", "source_sha256", "size", "sha256")
"""Columns from which shards are planned."""

WIDE = ("key", "part", "offset", "size", "sha256", "members", *_CARD_COLUMNS)
"""Columns from which shards are written."""


def digests(values: Iterable[object], *, seed: int | None = None) -> Digests:
    """The first 128 bits of the sha256 of `seed|value` for each value, or of `value` without a seed."""
    before = "" if seed is None else f"{seed}|"
    joined = b"".join(hashlib.sha256(f"{before}{value}".encode()).digest()[:16] for value in texts(values))
    return np.frombuffer(joined, "S16")


def texts(values: Iterable[object]) -> Iterable[object]:
    """The Python values of an Arrow column; anything else is returned as it is."""
    return values.to_pylist() if isinstance(values, pa.ChunkedArray | pa.Array) else values


def filled(column: pa.ChunkedArray) -> list[str]:
    """The texts of a column; null becomes ''."""
    return [value or "" for value in column.to_pylist()]


def found_in(known: Digests, wanted: Digests) -> tuple[Numbers, Flags]:
    """For each of `wanted`, its index in the sorted `known`, and whether it is there at all."""
    if not len(known):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), np.bool_)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return places, np.asarray(known[places] == wanted, dtype=np.bool_)
