"""Computes how many samples a mix takes of each dataset, and which ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Quota(NamedTuple):
    """The size of one dataset, and the limits on what is taken of it."""

    size: int
    """The number of its samples."""
    weight: float | None = None
    """Its weight relative to the other datasets that have one; None takes all samples."""
    cap: int | None = None
    """The most samples that are taken, copies included."""
    repeats: int = 1
    """The most copies of one sample."""

    @property
    def most(self) -> int:
        """The most samples that can be taken, copies included, whatever the weights."""
        room = self.size * self.repeats
        return room if self.cap is None else min(room, self.cap)


def sample_counts(quotas: Sequence[Quota]) -> list[int]:
    """The number of samples to take of each dataset, copies included.

    Datasets with a weight are sampled in proportion to their weights, to within one sample; the numbers are as large
    as the scarcest of them allows. Datasets without a weight are taken whole.
    """
    # Fractions are exact: a rounded quotient could lose a sample.
    weighted = [(quota.most, Fraction(quota.weight)) for quota in quotas if quota.weight is not None]
    unit = min((most / weight for most, weight in weighted), default=Fraction(0))
    return [quota.most if quota.weight is None else int(unit * Fraction(quota.weight)) for quota in quotas]


def copies_per_sample(keys: Iterable[str], *, take: int, seed: int) -> NDArray[np.int64]:
    """The number of copies of each sample, int64 of the length of `keys`. They sum to `take` and differ by at most one.

    Which samples get one more depends on `seed` and the key, not on the order of the keys.
    """
    hashed = np.frombuffer(b"".join(_hash(f"mix|{seed}|{key}") for key in keys), "V16")
    if not len(hashed):
        return np.zeros(0, np.int64)
    each, more = divmod(take, len(hashed))
    found = np.full(len(hashed), each, np.int64)
    found[np.lexsort(hashed.view(">u8").reshape(-1, 2).T)[:more]] += 1
    return found


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:16]
