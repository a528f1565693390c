"""Random draws that are the same on every machine and under every release of numpy.

numpy promises the stream of a bit generator, not that of a `Generator`'s methods (NEP 19). So everything here is made
of the raw 64-bit words of Philox.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")


class Draws:
    """A stream of random draws; equal keys give equal streams."""

    def __init__(self, *key: int | str) -> None:
        numbers = [part if isinstance(part, int) else _number(part) for part in key]
        self._bits = np.random.Philox(np.random.SeedSequence(numbers))

    def below(self, count: int) -> int:
        """A whole number from 0 to `count` - 1."""
        return (int(self._bits.random_raw()) * count) >> 64

    def between(self, low: float, high: float) -> float:
        """A number from `low` to below `high`."""
        return low + (high - low) * (int(self._bits.random_raw()) >> 11) * 2.0**-53

    def happens(self, share: float) -> bool:
        """Whether something happens that does so in `share` of all cases, 0 to 1."""
        return self.between(0, 1) < share

    def choose(self, items: Sequence[Item]) -> Item:
        """One of the items, of which there must be any."""
        return items[self.below(len(items))]

    def shuffle(self, items: Sequence[Item]) -> list[Item]:
        """The items in a random order."""
        rest = list(items)
        return [rest.pop(self.below(len(rest))) for _ in items]

    def noise(self, shape: tuple[int, ...]) -> NDArray[np.int32]:
        """Nearly normal noise around 0 with a standard deviation of `NOISE_DEVIATION`: sums of four random bytes."""
        words = self._bits.random_raw((int(np.prod(shape)) + 1) // 2)
        # The byte order is fixed before a word is seen as bytes, else big-endian machines would draw other noise.
        pairs = (words & np.uint64(0x00FF00FF00FF00FF)) + ((words >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF))
        halves = pairs.astype("<u8").view("<u2").astype(np.int32)
        return (halves[0::2] + halves[1::2] - 510)[: int(np.prod(shape))].reshape(shape)


NOISE_DEVIATION = 147.8
"""The square root of 4 x (256^2 - 1) / 12."""


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
