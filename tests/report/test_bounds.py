"""What another bound would do is what judging anew by it gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.report import bounds
from datagen.report.bounds import Bound, StageScores

SCORES = ("a", "b")
Row = tuple[dict[str, float], str, int]


def _bounds(low: float, high: float, other: float) -> tuple[Bound, ...]:
    return (
        Bound("a", "least", "min_a", "small", low),
        Bound("a", "most", "max_a", "large", high),
        Bound("b", "most", "max_b", "odd", other),
    )


def _judged(scores: dict[str, float], limits: tuple[Bound, ...]) -> str:
    """Why a stage rejects; '' if it does not."""
    for bound in limits:
        value = scores[bound.score]
        if value < bound.value if bound.keeps == "least" else value > bound.value:
            return bound.reason
    return ""


def _collected(rows: list[Row], limits: tuple[Bound, ...]) -> StageScores:
    judge = StageScores(SCORES, limits)
    for rank, (scores, reason, samples) in enumerate(rows):
        judge.add(rank, scores, reason, samples)
    return judge


values = st.floats(-100, 100).map(lambda value: round(value, 1))


@settings(max_examples=example_count(60), deadline=None)
@given(
    scores=st.lists(st.tuples(values, values, st.integers(0, 3)), min_size=1, max_size=40),
    limits=st.tuples(values, values, values),
)
def test_a_move_counts_what_judging_anew_would_keep(
    scores: list[tuple[float, float, int]], limits: tuple[float, float, float]
) -> None:
    now = _bounds(min(limits[:2]), max(limits[:2]), limits[2])
    rows: list[Row] = []
    for a, b, samples in scores:
        reason = _judged({"a": a, "b": b}, now)
        rows.append(({"a": a, "b": b}, reason, 0 if reason else samples))
    for spread in _collected(rows, now).spreads():
        assert sum(spread.kept) == sum(not reason for _, reason, _ in rows)
        assert sum(spread.kept) + sum(spread.rejected) == len(rows)
        for move in spread.moves:
            own = move.places.index(move.bound.value)
            assert move.kept[own] == sum(not reason for _, reason, _ in rows)
            assert move.samples[own] == sum(samples for _, _, samples in rows)
            for place, remaining, samples in zip(move.places, move.kept, move.samples, strict=True):
                moved = tuple(b._replace(value=place) if b is move.bound else b for b in now)
                through = [row for row in rows if not _judged(row[0], moved)]
                assert remaining == len(through)
                assert samples == sum(row[2] for row in through)


def test_what_was_rejected_for_no_bound_is_gained_by_none() -> None:
    limits = _bounds(0, 10, 10)
    rows: list[Row] = [({"a": 5, "b": 5}, "", 1), ({"a": 5, "b": 5}, "ugly", 0), ({"a": -3}, "small", 0)]
    for spread in _collected(rows, limits).spreads():
        assert all(max(move.kept) == 1 for move in spread.moves)
    assert [spread.unmeasured for spread in _collected(rows, limits).spreads()] == [0, 1]


def test_of_too_many_records_those_count_that_rank_lowest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST", 50)
    judge = StageScores(("a",), ())
    ranks = np.random.default_rng(0).permutation(1000)
    for rank in ranks:
        judge.add(int(rank), {"a": float(rank)}, "", 0)
    [spread] = judge.spreads()
    assert judge.met == 1000
    assert judge.share == 0.05
    assert sum(spread.kept) == 50
    assert spread.edges[-1] < 60


@pytest.mark.parametrize("values", [[3.0], [3.0, 3.0], [0.0], [-1e9, 1e9], [1e-9, 2e-9], [math.nan, 1.0]])
def test_an_axis_holds_its_values(values: list[float]) -> None:
    judge = StageScores(("a",), (Bound("a", "least", "min_a", "small", 0.5),))
    for rank, value in enumerate(values):
        judge.add(rank, {} if math.isnan(value) else {"a": value}, "", 0)
    [spread] = judge.spreads()
    assert sum(spread.kept) == sum(not math.isnan(value) for value in values)
    assert spread.edges == sorted(set(spread.edges))
    assert spread.edges[0] <= 0.5 <= spread.edges[-1]


@pytest.mark.parametrize(
    ("row", "options"),
    [
        ({"score": "a", "keeps": "least", "option": "min_a", "reason": "small"}, {"min_a": None}),
        ({"score": "a", "keeps": "least", "option": "min_a", "reason": "small"}, {}),
        ({"score": "a", "keeps": "least", "option": "min_a", "reason": "small"}, {"min_a": True}),
        ({"score": "a", "keeps": "beyond", "option": "min_a", "reason": "small"}, {"min_a": 1}),
    ],
)
def test_nothing_is_asked_where_an_option_is_no_number(row: dict[str, Any], options: dict[str, Any]) -> None:
    assert Bound.of(row, {"options": options}) is None
