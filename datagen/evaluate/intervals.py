"""Means over samples with 95 % intervals over source pictures: bias-corrected and accelerated bootstrap (BCa).

Samples of one source picture are not independent, so what is drawn again is sources, each with all of its samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
DRAWS = 4000
LEAST_SOURCES = 3
"""Fewer sources say nothing about others: there is no interval."""

_ALIKE = 1e-6
"""Means of sources that differ by no more are equal: what is left is rounding."""

Floats = NDArray[np.float64]


class Value(NamedTuple):
    """One number of one sample."""

    source: str
    """The key of its source picture."""
    number: float
    group: str = ""
    """Groups count equally in a macro mean, however many samples each has."""


class Mean(NamedTuple):
    """A mean with its interval."""

    value: float | None
    """None if there are no samples."""
    low: float | None
    high: float | None
    """Ends of the 95 % interval; None if there is none."""
    samples: int
    sources: int
    note: str = ""
    """Why there is no interval."""


def mean_of(values: Sequence[Value]) -> Mean:
    """The mean of samples; of several groups, the mean of the means of groups."""
    return _estimate(_by_source(values), samples=len(values))


def difference_of(first: Mapping[str, Value], second: Mapping[str, Value]) -> Mean:
    """The mean of `first` less that of `second`, over the samples, by key, that both have a number of.

    It is paired: a drawn source brings the samples of both.
    """
    common = [key for key in first if key in second]
    pairs = [Value(first[key].source, first[key].number - second[key].number, first[key].group) for key in common]
    return mean_of(pairs)


def _by_source(values: Sequence[Value]) -> Floats:
    """Sums and counts of each source by group: sources,2,groups."""
    sources = {name: place for place, name in enumerate(dict.fromkeys(value.source for value in values))}
    groups = {name: place for place, name in enumerate(dict.fromkeys(value.group for value in values))}
    sums = np.zeros((len(sources), 2, max(1, len(groups))))
    for value in values:
        sums[sources[value.source], :, groups[value.group]] += value.number, 1
    return sums


def _estimate(sums: Floats, *, samples: int) -> Mean:
    sources = len(sums)
    if not samples:
        return Mean(None, None, None, 0, 0, "no samples")
    value = float(_ratio(*sums.sum(axis=0)))
    if sources < LEAST_SOURCES:
        return Mean(value, None, None, samples, sources, f"no interval: {sources} source{'s' * (sources > 1)}")
    with np.errstate(invalid="ignore"):
        means = sums[:, 0] / sums[:, 1]
    alike = bool(np.all(np.nanmax(means, axis=0) - np.nanmin(means, axis=0) <= _ALIKE))
    low, high = (None, None) if alike else _bounds(sums)
    if low is None or high is None:
        return Mean(value, None, None, samples, sources, "degenerate: all sources alike")
    return Mean(value, low, high, samples, sources)


def _ratio(sums: Floats, counts: Floats) -> Floats:
    """The mean over groups (the first axis) of sum over count; a group that was not drawn is left out."""
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(sums / counts, axis=0))


def _bounds(sums: Floats) -> tuple[float | None, float | None]:
    from scipy.stats import bootstrap

    groups = sums.shape[2]

    def statistic(*columns: Floats, axis: int = -1) -> Floats:
        totals = [column.sum(axis=axis) for column in columns]
        return _ratio(np.stack(totals[:groups]), np.stack(totals[groups:]))

    columns = [sums[:, part, group] for part in (0, 1) for group in range(groups)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy's of degenerate data, which we name ourselves
        found = bootstrap(
            columns,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=DRAWS,
            batch=500,
            confidence_level=LEVEL,
            method="BCa",
            rng=np.random.default_rng(0),
        ).confidence_interval
    low, high = float(found.low), float(found.high)
    if not (np.isfinite(low) and np.isfinite(high)):
        return None, None
    return low, high
