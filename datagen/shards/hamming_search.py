"""All pairs of hashes that differ in few bits, found without comparing every two.

Hashes are cut into chunks of 16 bits (multi-index hashing, Norouzi et al. 2012): two
that differ in at most `within` bits agree, in one of C chunks, but for at most
within / C bits. Buckets of equal chunks are compared, and buckets whose chunks
differ so far. None is missed, and none found that is not near.
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
"""Told of pairs, the lower row first, says which of them are wanted."""

_BUCKETS = 1 << CHUNK
_AT_ONCE = 1 << 21
"""Candidates that are compared together."""


class Near(NamedTuple):
    """Pairs of rows, the lower first, in order, each once."""

    one: Places
    other: Places
    bits: NDArray[np.int16]
    """By how many they differ."""


class TooManyError(Exception):
    """More pairs are near than can be held."""


def flips_of(words: Words, within: int) -> int:
    """Bits by which chunks have to differ at the most, so that no pair is missed."""
    return int(min(within // (words.shape[1] * 64 // CHUNK), MOST_FLIPS))


def chunks_of(words: Words) -> NDArray[np.uint16]:
    """The chunks of hashes, N x chunks."""
    return words.view(np.uint16).reshape(len(words), words.shape[1] * 64 // CHUNK)


def near_pairs(words: Words, *, within: int, accept: Accept | None = None, most: int = 100_000_000) -> Near:
    """All pairs among the rows of `words` (N x words) that differ in at most `within` bits.

    Exact where `within` is at most `furthest`. `accept` may let go of some. Raises `TooManyError` above `most` pairs.
    """
    chunks = chunks_of(words)
    flips = flips_of(words, within)
    blocks: list[Near] = [_NONE]
    held = 0
    for chunk in range(chunks.shape[1]):
        for found in _of_chunk(words, chunks[:, chunk], flips, within):
            if accept is not None:
                fits = accept(found.one, found.other)
                found = Near._make(column[fits] for column in found)
            blocks.append(found)
            held += len(found.one)
            if held > most * 2:
                blocks = [_once(blocks)]
                held = len(blocks[0].one)
                if held > most:
                    raise TooManyError(held)
    return _once(blocks)


_NONE = Near(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.int16))


def _once(blocks: list[Near]) -> Near:
    one, other, bits = (np.concatenate(column) for column in zip(*blocks, strict=True))
    _, first = np.unique(one << 32 | other, return_index=True)
    return Near(one[first], other[first], bits[first])


def _of_chunk(words: Words, keys: NDArray[np.uint16], flips: int, within: int) -> Iterator[Near]:
    """Pairs whose keys differ in at most `flips` bits."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    words = np.asfortranarray(words[order])
    begins = np.searchsorted(keys, np.arange(_BUCKETS + 1))
    places = np.arange(len(keys))
    for mask in _masks(flips):
        if mask:
            left = np.flatnonzero(keys < (keys ^ np.uint16(mask)))
            target = (keys[left] ^ np.uint16(mask)).astype(np.int64)
            starts, stops = begins[target], begins[target + 1]
        else:
            left, starts, stops = places, places + 1, begins[keys.astype(np.int64) + 1]
        for one, other, bits in _compared(words, left, starts, stops, within):
            low, high = np.minimum(order[one], order[other]), np.maximum(order[one], order[other])
            yield Near(low, high, bits)


def _masks(flips: int) -> list[int]:
    """Numbers of 16 bits of which at most so many are set."""
    places = range(CHUNK)
    return [sum(1 << bit for bit in chosen) for count in range(flips + 1) for chosen in combinations(places, count)]


def _compared(
    words: Words, left: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64], within: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int16]]]:
    """Rows of `left` against those from `starts` to `stops`, as far as they are near."""
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
        for column in words.T:  # what is too far by its first bits is let go of
            bits += np.bitwise_count(column[one] ^ column[other])
            close = np.flatnonzero(bits <= within)
            one, other, bits = one[close], other[close], bits[close]
        yield one, other, bits
        begin = stop
