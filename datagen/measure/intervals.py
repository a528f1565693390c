"""Shares with intervals that take into account that answers on one photograph are not independent."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
LEAST_PHOTOGRAPHS = 3
"""Fewer photographs say nothing about others: there is no interval."""
_DRAWS = 2000
_NORMAL = 1.959964
"""Quantile of the normal distribution for `LEVEL`, two-sided."""


@dataclass(frozen=True)
class Share:
    """A share of cases, or a quotient like one, with its interval."""

    value: float | None
    """0 to 1; None if there are no cases."""
    low: float | None
    high: float | None
    """The 95 % interval; None if there are too few photographs."""
    cases: float
    """What it is a share of."""
    photographs: int
    """On how many photographs the cases are."""


class Quotient(NamedTuple):
    """What one photograph adds to a share: the share is the sum of `part` over the sum of `whole`."""

    part: float
    whole: float


def clustered_share(by_photograph: Mapping[str, Quotient]) -> Share:
    """The share over all photographs. Its interval is the wider one, at either end, of two.

    One is the percentile bootstrap over photographs, of 2,000 draws with a fixed seed. It has no width where all cases
    are right, so the other is Wilson's, as if cases were independent.
    """
    found = [each for each in by_photograph.values() if each.whole > 0]
    if not found:
        return Share(None, None, None, 0, 0)
    part_N, whole_N = np.array(found, np.float64).T
    value, cases = float(part_N.sum() / whole_N.sum()), float(whole_N.sum())
    if len(found) < LEAST_PHOTOGRAPHS:
        return Share(value, None, None, cases, len(found))
    drawn = np.random.default_rng(0).integers(0, len(found), (_DRAWS, len(found)))
    values = part_N[drawn].sum(1) / whole_N[drawn].sum(1)
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    least, most = _wilson(value, cases)
    return Share(value, min(float(low), least), max(float(high), most), cases, len(found))


def _wilson(value: float, cases: float) -> tuple[float, float]:
    squared = _NORMAL**2
    middle = (value + squared / (2 * cases)) / (1 + squared / cases)
    half = _NORMAL / (1 + squared / cases) * math.sqrt(value * (1 - value) / cases + squared / (4 * cases**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def share_of(cases: Iterable[tuple[str, bool]]) -> Share:
    """The share of cases that are right, each given with its photograph."""
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for photograph, right in cases:
        sums[photograph][0] += right
        sums[photograph][1] += 1
    return clustered_share({name: Quotient(*each) for name, each in sums.items()})


class FoundAndTrue(NamedTuple):
    """One thing that a detector found, or that is true, or both."""

    photograph: str
    found: bool
    true: bool


@dataclass(frozen=True)
class Accuracy:
    """How well a detector finds what is true."""

    precision: Share
    """Of what it found, the share that is true."""
    recall: Share
    """Of what is true, the share that it found."""
    f1: Share
    """2·P·R / (P + R)."""
    true: int
    """How much is true."""
    found: int
    """How much it found."""


def accuracy_of(things: Iterable[FoundAndTrue]) -> Accuracy:
    """Precision, recall and F1 over things that are found or true; the others are left out by the caller or here."""
    counts: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for photograph, found, true in things:
        if found or true:
            counts[photograph][0 if found and true else 1 if found else 2] += 1
    names = counts.items()
    return Accuracy(
        precision=clustered_share({name: Quotient(both, both + wrong) for name, (both, wrong, _) in names}),
        recall=clustered_share({name: Quotient(both, both + missed) for name, (both, _, missed) in names}),
        f1=clustered_share(
            {name: Quotient(both, both + (wrong + missed) / 2) for name, (both, wrong, missed) in names}
        ),
        true=sum(both + missed for both, _, missed in counts.values()),
        found=sum(both + wrong for both, wrong, _ in counts.values()),
    )
