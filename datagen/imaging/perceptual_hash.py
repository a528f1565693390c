"""Hashes of pictures whose distance in bits says how alike they are, as text that says how they were made.

`phash256:9a1f...` is 256 bits by `phash256`. Hashes that were made otherwise are never compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError

Words = NDArray[np.uint64]


class PictureHash(NamedTuple):
    """How a hash was made, and its bits: uint64, 64 to a word."""

    by: str
    words: Words

    @property
    def bits(self) -> int:
        """How many it has."""
        return 64 * len(self.words)


def format_hash(flags: NDArray[np.bool_], *, by: str) -> str:
    """The text of a hash; `flags` are its bits, a multiple of 64, in any shape."""
    return f"{by}:{np.packbits(flags.ravel()).tobytes().hex()}"


def parse_hash(text: str) -> PictureHash:
    """The hash that a text spells. Raises `DataError`."""
    by, _, digits = text.rpartition(":")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if not by or not data or len(data) % 8:
        raise DataError(f"'{text[:80]}' is no hash of a picture; one reads `phash256:` and 64 hex digits")
    return PictureHash(by, np.frombuffer(data, np.uint64))


def hamming_distances(one: Words, others: Words) -> NDArray[np.int64]:
    """Differing bits; `others` is N x words, `one` the same or a single row."""
    return np.asarray(np.bitwise_count(one ^ others).sum(axis=-1, dtype=np.int64), np.int64)
