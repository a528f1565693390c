"""From what some rows came to, to what all rows come to: a number and an interval."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]
"""What each row that was drawn came to."""

LEVEL = 0.9
"""Share of the intervals that are to hold the truth."""
_RESAMPLES = 2000
_AT_ONCE = 100
"""Resamples that are held at once."""


@dataclass(frozen=True)
class Forecast:
    """What is expected, and from where to where it may be: 19 times of 20 not below, 19 of 20 not above."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Forecast:
        """The same in another unit."""
        return Forecast(self.value * factor, self.low * factor, self.high * factor)


NOTHING = Forecast(0.0, 0.0, 0.0)


def forecast_count(values: Values, *, rows: int, seed: int) -> Forecast:
    """How many there are in all rows; what was not seen once may still be there."""
    if set(np.unique(values)) <= {0.0, 1.0}:
        found = stats.binomtest(int(values.sum()), len(values)).proportion_ci(LEVEL, "wilson")
        return _scaled(float(values.mean()), float(found.low), float(found.high), len(values), rows)
    return _of_values(values, rows, seed)


def forecast_amount(values: Values, *, rows: int, seed: int) -> Forecast:
    """How much of something all rows take; what no row took counts as taken by none."""
    return _of_values(values, rows, seed) if values.any() else NOTHING


def _of_values(values: Values, rows: int, seed: int) -> Forecast:
    mean = float(values.mean())
    if len(values) >= rows:
        return Forecast(mean * rows, mean * rows, mean * rows)
    if np.ptp(values) == 0:  # some that were not drawn may be of another kind, as many as may go unseen
        unseen = float(stats.binomtest(0, len(values)).proportion_ci(LEVEL, "wilson").high)
        low, high = mean * (1 - unseen), mean * (1 + unseen)
    else:
        low, high = _bootstrapped(values, seed)
    return _scaled(mean, low, high, len(values), rows)


def _bootstrapped(values: Values, seed: int) -> tuple[float, float]:
    """Bounds of the mean: bias-corrected and accelerated, and as wide as so few values ask for.

    The wider level is Hesterberg's (2015, The American Statistician 69, section 4.2): percentiles of few values are
    too narrow as normal bounds are against Student's.
    """
    size = len(values)
    quantile = stats.t.ppf((1 + LEVEL) / 2, size - 1) * np.sqrt(size / (size - 1))
    level = float(1 - 2 * stats.norm.sf(quantile))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of values of which too few differ; then the bounds are NaN
            found = stats.bootstrap(
                (values,),
                np.mean,
                n_resamples=_RESAMPLES,
                batch=_AT_ONCE,
                confidence_level=level,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(found.low) and np.isfinite(found.high):
            break
    return float(found.low), float(found.high)


def _scaled(mean: float, low: float, high: float, drawn: int, rows: int) -> Forecast:
    """Of all rows; the interval shrinks as fewer are left that were not drawn."""
    left = np.sqrt(max(0.0, 1 - drawn / rows))
    bounds = (max(0.0, mean + float(bound - mean) * left) * rows for bound in (low, high))
    return Forecast(mean * rows, *bounds)
