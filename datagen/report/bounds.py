"""Histograms of scores, and how many records another threshold of a stage would keep."""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from datagen.report.cells import is_number

MOST = 100_000
"""Records a stage whose scores are collected; of more records, those with the lowest ranks."""
BARS = 48
"""Bars of a histogram."""
STEPS = 160
"""Positions to which a threshold can be moved on the page, its own position not counted."""
_BEYOND = 0.005
"""Share of the records on either side that may lie outside the axis, so that outliers do not stretch it."""


class Bound(NamedTuple):
    """A threshold on a score. A score equal to the threshold is kept."""

    score: str
    keeps: str
    """`least` or `most`."""
    option: str
    reason: str
    value: float

    @classmethod
    def of(cls, row: Mapping[str, Any], about: Mapping[str, Any]) -> Self | None:
        """A threshold of the run manifest, with the value of its option; None if the option is not set."""
        score, keeps, option, reason = (str(row.get(name)) for name in ("score", "keeps", "option", "reason"))
        value = (about.get("options") or {}).get(option)
        if not is_number(value) or keeps not in ("least", "most"):
            return None
        return cls(score, keeps, option, reason, float(value))

    def holds(self, values: NDArray[np.float64], at: float | None = None) -> NDArray[np.bool_]:
        """Which values the threshold keeps, or one at `at` would keep. NaN (not measured) is not kept."""
        limit = self.value if at is None else at
        return values >= limit if self.keeps == "least" else values <= limit


class ThresholdMove(NamedTuple):
    """How many records a stage would keep if one threshold moved and the others stayed."""

    bound: Bound
    places: list[float]
    """Positions of the threshold, ascending; its own is among them."""
    kept: list[int]
    """Records that the stage would keep, by position."""
    samples: list[int]
    """Accepted samples that these records gave in this run; of newly kept records, the result is not known."""


class Spread(NamedTuple):
    """The histogram of one score over the records that reached a stage."""

    score: str
    edges: list[float]
    """The edges of the bars, one more than there are bars."""
    kept: list[int]
    """Records by bar that the stage kept; the first and last bar include the values outside the axis."""
    rejected: list[int]
    unmeasured: int
    """Records without this score: rejected before it was measured, or the score is not finite."""
    moves: list[ThresholdMove]


@dataclass
class StageScores:
    """Collects the scores of the records that reach one stage."""

    scores: tuple[str, ...]
    bounds: tuple[Bound, ...]
    met: int = 0
    """Number of all records that reached the stage."""

    def __post_init__(self) -> None:
        self._ranks = array("Q")
        self._values = array("d")
        self._reasons = {bound.reason for bound in self.bounds}

    def add(self, rank: int, scores: Mapping[str, float], reason: str, samples: int) -> None:
        """Add a record: the reason if the stage rejected it, else '', and the number of samples that came of it."""
        self.met += 1
        values = [scores.get(name, math.nan) for name in self.scores]
        other = reason != "" and reason not in self._reasons
        self._values.extend((*values, float(reason == ""), float(other), float(samples)))
        self._ranks.append(rank)
        if len(self._ranks) >= 2 * MOST:  # not at MOST: sorting then costs little for each record
            self._cut()

    def _cut(self) -> None:
        ranks, rows = np.array(self._ranks, np.uint64), self._table()
        lowest = np.argsort(ranks, kind="stable")[:MOST]
        self._values = array("d", rows[lowest].tobytes())
        self._ranks = array("Q", ranks[lowest].tobytes())

    def _table(self) -> NDArray[np.float64]:
        """One row a record: scores, whether kept, whether rejected for a reason without a threshold, samples."""
        return np.array(self._values, np.float64).reshape(-1, len(self.scores) + 3)

    def spreads(self) -> list[Spread]:
        """One histogram for each score that at least one record has."""
        if len(self._ranks) > MOST:
            self._cut()
        rows = self._table()
        return [
            self._spread(rows, name, rows[:, place])
            for place, name in enumerate(self.scores)
            if np.isfinite(rows[:, place]).any()
        ]

    @property
    def share(self) -> float:
        """The share of the records that is counted: 1 up to `MOST` records."""
        return min(1.0, MOST / self.met) if self.met else 1.0

    def _spread(self, rows: NDArray[np.float64], name: str, values: NDArray[np.float64]) -> Spread:
        bounds = [bound for bound in self.bounds if bound.score == name]
        low, high = _axis(values, [bound.value for bound in bounds])
        edges = np.linspace(low, high, BARS + 1)
        kept = rows[:, -3] == 1
        measured = np.isfinite(values)
        return Spread(
            score=name,
            edges=edges.tolist(),
            kept=_bars(values[measured & kept], edges),
            rejected=_bars(values[measured & ~kept], edges),
            unmeasured=int((~measured).sum()),
            moves=[self._move(rows, bound, values, (low, high)) for bound in bounds],
        )

    def _move(
        self, rows: NDArray[np.float64], bound: Bound, values: NDArray[np.float64], axis: tuple[float, float]
    ) -> ThresholdMove:
        others = rows[:, -2] == 0  # what another reason rejects stays rejected, wherever the thresholds are
        for other in self.bounds:
            if other is not bound:
                others &= other.holds(rows[:, self.scores.index(other.score)])
        # four digits, as a person would write them in a config
        steps = (float(f"{place:.4g}") for place in np.linspace(*axis, STEPS))
        places = np.unique([*steps, bound.value])
        passing = [others & bound.holds(values, place) for place in places]
        return ThresholdMove(
            bound,
            places.tolist(),
            kept=[int(mask.sum()) for mask in passing],
            samples=[int(rows[mask, -1].sum()) for mask in passing],
        )


def _axis(values: NDArray[np.float64], marks: list[float]) -> tuple[float, float]:
    """The range of a score that is drawn: nearly all values, and all thresholds."""
    ends = np.quantile(values[np.isfinite(values)], (_BEYOND, 1 - _BEYOND))
    low, high = float(min(ends[0], *marks, math.inf)), float(max(ends[1], *marks, -math.inf))
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    least = float(np.nanmin(values))  # a score that is never negative gets no negative axis
    return (max(low - room, 0.0) if least >= 0 and low >= 0 else low - room), high + room


def _bars(values: NDArray[np.float64], edges: NDArray[np.float64]) -> list[int]:
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return [int(count) for count in counts]
