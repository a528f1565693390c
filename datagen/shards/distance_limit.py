"""The largest distance that the search for near hashes supports. It needs no hash, so `check` can use it."""

from __future__ import annotations

CHUNK = 16
"""Bits of a chunk: the search looks up hashes chunk by chunk."""
MOST_FLIPS = 2
"""Most bits by which two chunks may differ: 137 buckets to search for each chunk; with three it would be 697."""


def furthest(bits: int) -> int:
    """The largest number of differing bits for which hashes of `bits` bits can be searched."""
    return (MOST_FLIPS + 1) * (bits // CHUNK) - 1
