"""How far apart hashes may be for a search to find them, known without any hash."""

from __future__ import annotations

CHUNK = 16
"""Bits of a chunk, by which hashes are searched for."""
MOST_FLIPS = 2
"""Bits by which chunks may differ: 137 buckets for each; three would be 697."""


def furthest(bits: int) -> int:
    """Up to how many differing bits hashes of so many bits can be searched for."""
    return (MOST_FLIPS + 1) * (bits // CHUNK) - 1
