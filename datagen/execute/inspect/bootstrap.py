"""Forecasts: from the values of a random sample of rows, the total over all rows with an interval.

Yes-or-no values use Wilson's interval, all others a bootstrap over rows.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""One value for each drawn row."""

LEVEL = 0.9
"""Nominal coverage of the intervals, 0 to 1."""
_RESAMPLES = 2000
_BATCH = 100
"""Resamples that are in memory at once; without a limit SciPy makes all of them at once."""


@dataclass(frozen=True)
class Forecast:
    """An expected value and its 90 % interval: the true value is below `low` or above `high` in 5 % of cases each."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> Forecast:
        """The forecast in another unit, multiplied by `factor`."""
        return Forecast(self.value * factor, self.low * factor, self.high * factor)


NOTHING = Forecast(0.0, 0.0, 0.0)


def forecast_count(values: Values, *, rows: int, seed: int) -> Forecast:
    """Forecast a count over `rows` rows. If every value is 0, the upper bound is still above 0."""
    if set(np.unique(values)) <= {0.0, 1.0}:
        return _scale_to_rows(float(values.mean()), *_share_bounds(int(values.sum()), len(values)), len(values), rows)
    return _forecast_mean(values, rows, seed)


def forecast_amount(values: Values, *, rows: int, seed: int) -> Forecast:
    """Forecast an amount over `rows` rows, in the unit of `values`. If every value is 0, so is the forecast."""
    return _forecast_mean(values, rows, seed) if values.any() else NOTHING


def _forecast_mean(values: Values, rows: int, seed: int) -> Forecast:
    mean = float(values.mean())
    if len(values) >= rows:
        return Forecast(mean * rows, mean * rows, mean * rows)
    if np.ptp(values) == 0:
        # There is no spread to resample. The interval allows for rows of another kind, as many as a sample may miss.
        _, unseen = _share_bounds(0, len(values))
        low, high = mean * (1 - unseen), mean * (1 + unseen)
    else:
        low, high = _bootstrap_bounds(values, seed)
    return _scale_to_rows(mean, low, high, len(values), rows)


def _share_bounds(count: int, draws: int) -> tuple[float, float]:
    """Wilson's bounds of the share that `count` of `draws` rows stand for."""
    from scipy import stats  # it takes half a second to import

    found = stats.binomtest(count, draws).proportion_ci(LEVEL, "wilson")
    return float(found.low), float(found.high)


def _bootstrap_bounds(values: Values, seed: int) -> tuple[float, float]:
    """Bounds of the mean, by the bias-corrected and accelerated (BCa) bootstrap, widened for small samples.

    Percentiles of few values give intervals that are too narrow, as normal bounds are compared with Student's. The
    wider level is that of Hesterberg (2015, The American Statistician 69, section 4.2).
    """
    from scipy import stats

    size = len(values)
    quantile = stats.t.ppf((1 + LEVEL) / 2, size - 1) * np.sqrt(size / (size - 1))
    level = float(1 - 2 * stats.norm.sf(quantile))
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            # If too few values differ, BCa warns and returns NaN. Then percentiles are used.
            warnings.simplefilter("ignore")
            found = stats.bootstrap(
                (values,),
                np.mean,
                n_resamples=_RESAMPLES,
                batch=_BATCH,
                confidence_level=level,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(found.low) and np.isfinite(found.high):
            break
    return float(found.low), float(found.high)


def _scale_to_rows(mean: float, low: float, high: float, draws: int, rows: int) -> Forecast:
    """Scale a mean to all rows. The interval shrinks with the number of rows that were not drawn, to nothing."""
    # Finite population correction: the drawn rows are known exactly.
    left = np.sqrt(max(0.0, 1 - draws / rows))
    bounds = (max(0.0, mean + float(bound - mean) * left) * rows for bound in (low, high))
    return Forecast(mean * rows, *bounds)
