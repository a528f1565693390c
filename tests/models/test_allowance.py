"""Limits of calls: laws that hold for any order of asking, settling and waiting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.models.language.allowance import Allowance, Amount, Bucket, Terms

TERMS = Terms("http://x/v1", "m", None, None, None, None, longest_s=60)
STEPS = st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 40)), max_size=40)
"""Seconds until a call asks, and how much it takes."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@given(per_minute=st.floats(1, 6000), steps=STEPS)
def test_no_span_of_time_sees_more_than_its_share(per_minute: float, steps: list[tuple[float, float]]) -> None:
    bucket, now, released = Bucket(per_minute, now=0.0), 0.0, []
    for pause, amount in steps:
        now += pause
        released.append((now + bucket.take(amount, now=now), amount))
    assert [when for when, _ in released] == sorted(when for when, _ in released), "first come, first served"
    for first in range(len(released)):
        for last in range(first, len(released)):
            span = released[last][0] - released[first][0]
            taken = sum(amount for _, amount in released[first + 1 : last + 1])
            assert taken <= bucket.room + bucket.rate * span + 1e-6 * max(1.0, per_minute)


@given(
    budget=st.integers(10, 400),
    calls=st.lists(st.tuples(st.integers(1, 60), st.floats(0, 1), st.integers(0, 5)), max_size=60),
)
def test_a_budget_is_never_broken_and_is_used_up(budget: int, calls: list[tuple[int, float, int]]) -> None:
    """Calls take a share of what they may take, and are settled some calls later."""
    clock = Clock()
    allowance = Allowance(TERMS._replace(budget_tokens=budget), clock=clock)
    spent, flying = 0, []
    for most, share, lag in calls:
        clock.now += 1
        leave = allowance.ask(Amount(most))
        if leave.refused:
            assert spent + most > budget
        elif leave.ticket:
            flying.append((leave.ticket, int(most * share), most))
            assert spent + sum(guess for _, _, guess in flying) <= budget
        while len(flying) > lag:
            ticket, took, _ = flying.pop(0)
            allowance.settle(ticket, Amount(took))
            spent += took
    assert spent <= budget


def test_what_is_in_flight_may_leave_enough() -> None:
    allowance = Allowance(TERMS._replace(budget_tokens=100), clock=Clock())
    first = allowance.ask(Amount(60))
    waits = allowance.ask(Amount(60))
    assert first.ticket
    assert (waits.ticket, waits.refused) == (0, "")
    assert waits.wait > 0
    allowance.settle(first.ticket, Amount(10))
    assert allowance.ask(Amount(60)).ticket


def test_a_call_whose_worker_is_gone_counts_as_spent() -> None:
    clock = Clock()
    allowance = Allowance(TERMS._replace(budget_tokens=100), clock=clock)
    lost = allowance.ask(Amount(60))
    clock.now += 61
    assert allowance.ask(Amount(60)).refused.startswith("60 of `budget_tokens: 100` are used, and the next call may")
    allowance.settle(lost.ticket, Amount(60))
    assert allowance.ask(Amount(40)).ticket, "it is entered once"


def test_tokens_that_were_not_taken_are_given_back() -> None:
    clock = Clock()
    allowance = Allowance(TERMS._replace(tokens_per_minute=600), clock=clock)
    first = allowance.ask(Amount(100))
    assert first.wait == pytest.approx(9), "ten a second, ten of them at once"
    allowance.settle(first.ticket, Amount(10))
    assert allowance.ask(Amount(10)).wait == pytest.approx(1)


def test_a_pause_holds_back_all_that_ask() -> None:
    clock = Clock()
    allowance = Allowance(TERMS, clock=clock)
    allowance.hold(5)
    allowance.hold(2)
    clock.now += 1
    assert [allowance.ask(Amount()).wait for _ in range(2)] == [4, 4]
    clock.now += 4
    assert allowance.ask(Amount()).wait == 0
