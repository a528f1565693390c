"""The text format of perceptual hashes, and their Hamming distance, which is small for similar pictures.

A hash such as `phash256:9a1f...` begins with the method that made it. Hashes of different methods are never compared.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError

Words = NDArray[np.uint64]


class PictureHash(NamedTuple):
    """A parsed hash."""

    by: str
    """The method that made it, such as `phash256`."""
    words: Words
    """Its bits, 64 to a word."""

    @property
    def bits(self) -> int:
        """Number of bits."""
        return 64 * len(self.words)


def format_hash(flags: NDArray[np.bool_], *, by: str) -> str:
    """The text of a hash by the method `by`; `flags` are its bits, a multiple of 64, in any shape."""
    return f"{by}:{np.packbits(flags.ravel()).tobytes().hex()}"


def parse_hash(text: str) -> PictureHash:
    """The hash in a text. Raises `DataError` if the text is no hash."""
    by, _, digits = text.rpartition(":")
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        data = b""
    if not by or not data or len(data) % 8:
        raise DataError(f"'{text[:80]}' is no hash of a picture; one reads `phash256:` and 64 hex digits")
    return PictureHash(by, np.frombuffer(data, np.uint64))


def hamming_distances(one: Words, others: Words) -> NDArray[np.int64]:
    """Numbers of differing bits, N; `others` is N x words, `one` has the same shape or is a single row."""
    return np.asarray(np.bitwise_count(one ^ others).sum(axis=-1, dtype=np.int64), np.int64)
