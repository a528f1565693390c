"""How much of each dataset a mix takes, and which samples: by numbers and hashes alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Share(NamedTuple):
    """What is asked of one dataset."""

    size: int
    """How many samples it has."""
    weight: float | None = None
    """Its part against the others that have one; None takes all."""
    cap: int | None = None
    """Most that is taken, copies included."""
    repeats: int = 1
    """How often a sample may be taken."""

    @property
    def most(self) -> int:
        """What can be taken, whatever the weights."""
        room = self.size * self.repeats
        return room if self.cap is None else min(room, self.cap)


def takes(shares: Sequence[Share]) -> list[int]:
    """How many samples are taken of each, copies included: as many as the weights allow.

    Datasets with a weight stand to each other as their weights, within one sample, and the one that is
    scarcest by its weight gives all it can; of one without, all that it can give is taken.
    """
    weighted = [(share.most, Fraction(share.weight)) for share in shares if share.weight is not None]
    unit = min((most / weight for most, weight in weighted), default=Fraction(0))
    return [share.most if share.weight is None else int(unit * Fraction(share.weight)) for share in shares]


def copies(keys: Iterable[str], *, take: int, seed: int) -> NDArray[np.int64]:
    """How often each sample is taken, so that it adds up to `take`, and no two differ by more than one.

    Which have one more is drawn by `seed` and key, whatever the order of the keys.
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
