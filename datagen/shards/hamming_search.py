"""Exact search for all pairs of hashes within a Hamming distance, without comparing every pair.

Multi-index hashing (Norouzi et al. 2012): hashes are cut into C chunks of 16 bits. If two hashes differ in at most
`within` bits, then one of their chunks differs in at most within / C bits. So only hashes with such near chunks are
compared. The result is exact: no pair is missed, and every returned pair is within the distance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.perceptual_hash import Words
from datagen.shards.distance_limit import CHUNK, MOST_FLIPS

Places = NDArray[np.int64]
Accept = Callable[[Places, Places], NDArray[np.bool_]]
"""A filter of pairs: takes their rows, the lower one first, and returns which pairs to keep."""

_BUCKETS = 1 << CHUNK
_AT_ONCE = 1 << 21
"""Candidate pairs that are compared at once; bounds the memory of a comparison."""


class NearPairs(NamedTuple):
    """Pairs of rows, sorted, each pair once, the lower row first."""

    one: Places
    other: Places
    bits: NDArray[np.int16]
    """The number of bits in which they differ."""


class TooManyPairsError(Exception):
    """More pairs are near than the limit allows."""


def flips_of(words: Words, within: int) -> int:
    """The distance between chunks, in bits, up to which buckets must be compared so that no pair is missed."""
    return int(min(within // (words.shape[1] * 64 // CHUNK), MOST_FLIPS))


def chunks_of(words: Words) -> NDArray[np.uint16]:
    """The 16-bit chunks of hashes, N x chunks."""
    return words.view(np.uint16).reshape(len(words), words.shape[1] * 64 // CHUNK)


def near_pairs(words: Words, *, within: int, accept: Accept | None = None, most: int = 100_000_000) -> NearPairs:
    """All pairs among the rows of `words` (N x words) that differ in at most `within` bits.

    Exact if `within` is at most `distance_limit.furthest`. `accept` filters the pairs. Raises `TooManyPairsError` above
    `most` pairs.
    """
    chunks = chunks_of(words)
    flips = flips_of(words, within)
    blocks: list[NearPairs] = [_NONE]
    held = 0
    for chunk in range(chunks.shape[1]):
        for found in _of_chunk(words, chunks[:, chunk], flips, within):
            if accept is not None:
                fits = accept(found.one, found.other)
                found = NearPairs._make(column[fits] for column in found)
            blocks.append(found)
            held += len(found.one)
            if held > most * 2:  # a pair is found once for each chunk that is near: merge before counting
                blocks = [_once(blocks)]
                held = len(blocks[0].one)
                if held > most:
                    raise TooManyPairsError(held)
    return _once(blocks)


_NONE = NearPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16))


def _once(blocks: list[NearPairs]) -> NearPairs:
    one, other, bits = (np.concatenate(column) for column in zip(*blocks, strict=True))
    # both rows in one int64, so that `unique` sorts numbers, not pairs
    _, first = np.unique(one << 32 | other, return_index=True)
    return NearPairs(one[first], other[first], bits[first])


def _of_chunk(words: Words, keys: NDArray[np.uint16], flips: int, within: int) -> Iterator[NearPairs]:
    """Pairs within the distance whose `keys`, one chunk of each hash, differ in at most `flips` bits."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    words = np.asfortranarray(words[order])  # words are compared column by column
    begins = np.searchsorted(keys, np.arange(_BUCKETS + 1))
    places = np.arange(len(keys))
    for mask in _masks(flips):
        if mask:  # each pair of buckets once, from the lower key
            left = np.flatnonzero(keys < (keys ^ np.uint16(mask)))
            target = (keys[left] ^ np.uint16(mask)).astype(np.int64)
            starts, stops = begins[target], begins[target + 1]
        else:
            left, starts, stops = places, places + 1, begins[keys.astype(np.int64) + 1]
        for one, other, bits in _compared(words, left, starts, stops, within):
            low, high = np.minimum(order[one], order[other]), np.maximum(order[one], order[other])
            yield NearPairs(low, high, bits)


def _masks(flips: int) -> list[int]:
    """All 16-bit numbers with at most `flips` bits set."""
    places = range(CHUNK)
    return [sum(1 << bit for bit in chosen) for count in range(flips + 1) for chosen in combinations(places, count)]


def _compared(
    words: Words, left: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64], within: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int16]]]:
    """Compare each row of `left` with the rows from its start to its stop; yields the pairs within the distance."""
    counts = stops - starts
    some = counts > 0
    left, starts, counts = left[some], starts[some], counts[some]
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(left):
        before = int(ends[begin - 1]) if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, before + _AT_ONCE, side="right")))
        many = counts[begin:stop]
        one = np.repeat(left[begin:stop], many)
        offsets = np.arange(len(one)) - np.repeat(ends[begin:stop] - many - before, many)
        other = np.repeat(starts[begin:stop], many) + offsets
        bits = np.zeros(len(one), np.int16)
        for column in words.T:  # word by word: most pairs are already too far apart in their first 64 bits
            bits += np.bitwise_count(column[one] ^ column[other])
            close = np.flatnonzero(bits <= within)
            one, other, bits = one[close], other[close], bits[close]
        yield one, other, bits
        begin = stop
