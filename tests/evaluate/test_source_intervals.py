"""Means over samples with intervals over sources."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rings import example_count

from datagen.evaluate.intervals import Value, difference_of, mean_of

NUMBERS = st.floats(-10, 10, allow_nan=False).map(lambda number: round(number, 3))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), NUMBERS), min_size=1, max_size=30))
@settings(max_examples=example_count(40), deadline=None)
def test_a_mean_is_that_of_the_samples_and_lies_in_its_interval(pairs: list[tuple[str, float]]) -> None:
    found = mean_of([Value(source, number) for source, number in pairs])
    assert found.value == pytest.approx(np.mean([number for _, number in pairs]), abs=1e-9)
    assert (found.samples, found.sources) == (len(pairs), len({source for source, _ in pairs}))
    assert (found.low is None) == (found.high is None) == bool(found.note)
    if found.low is not None and found.high is not None:
        assert found.low <= found.high


def drawn(number: int, *, seed: int = 0, spread: float = 1.0) -> list[Value]:
    rng = np.random.default_rng(seed)
    return [Value(str(place), float(found)) for place, found in enumerate(rng.normal(0, spread, number))]


def width(values: list[Value]) -> float:
    found = mean_of(values)
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


def test_sources_are_drawn_and_not_samples() -> None:
    """Four equal samples of each source say no more than one."""
    once = drawn(40)
    fourfold = [value for value in once for _ in range(4)]
    assert width(fourfold) == pytest.approx(width(once), rel=1e-6)
    apart = [Value(f"{value.source}/{copy}", value.number) for value in once for copy in range(4)]
    assert width(apart) < 0.6 * width(once)


def test_an_interval_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap

    numbers = np.array([value.number for value in drawn(30)])
    expected = bootstrap((numbers,), np.mean, n_resamples=4000, batch=500, rng=np.random.default_rng(0))
    found = mean_of(drawn(30))
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), abs=1e-9)


def test_it_holds_the_true_mean_nineteen_times_of_twenty() -> None:
    held = 0
    for seed in range(100):
        found = mean_of(drawn(25, seed=seed))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert 88 <= held <= 99


def test_a_paired_difference_is_clear_where_two_means_are_not() -> None:
    first = {value.source: value for value in drawn(40)}
    rng = np.random.default_rng(1)
    second = {key: Value(key, value.number - 0.03 + rng.normal(0, 0.02)) for key, value in first.items()}
    found = difference_of(first, second)
    assert found.low is not None
    assert found.low > 0
    one, other = mean_of(list(first.values())), mean_of(list(second.values()))
    assert one.low is not None
    assert other.high is not None
    assert one.low < other.high  # unpaired they overlap


def test_a_difference_is_of_what_both_have() -> None:
    first = {key: Value(key, 1.0) for key in "abcde"}
    second = {key: Value(key, float(place)) for place, key in enumerate("cdefg")}
    found = difference_of(first, second)
    assert (found.samples, found.value) == (3, pytest.approx(0.0))


def test_groups_count_equally_in_a_macro_mean() -> None:
    many = [Value(str(place), 1.0, "add") for place in range(9)]
    found = mean_of([*many, Value("x", 4.0, "remove"), Value("y", 4.0, "remove")])
    assert found.value == pytest.approx(2.5)
    assert mean_of([value._replace(group="") for value in many]).value == 1.0


@pytest.mark.parametrize(
    ("values", "note"),
    [
        pytest.param([], "no samples", id="nothing"),
        pytest.param([Value("a", 1.0), Value("b", 2.0), Value("b", 3.0)], "no interval: 2 sources", id="two sources"),
        pytest.param([Value(key, 0.25) for key in "abcdef"], "degenerate: all sources alike", id="constant"),
        pytest.param(
            [Value(key, 1 - 1e-9 * ord(key)) for key in "abcdef"], "degenerate: all sources alike", id="rounding"
        ),
    ],
)
def test_where_there_is_no_interval_it_says_why(values: list[Value], note: str) -> None:
    found = mean_of(values)
    assert (found.low, found.high, found.note) == (None, None, note)
    assert (found.value is None) == (not values)
