"""Limits of calls: laws that hold for any order of asking, settling and waiting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.core.stage import Runtime
from datagen.models.language.rate_limit import Bucket, CallLimiter, Permit, PermitRequest, Terms, Usage
from datagen.models.language.sharing import ActorGate, LocalGate, acquire, gate, shared_here

TERMS = Terms("http://x/v1", "m", None, None, None, None)
STEPS = st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 40)), max_size=40)
"""Seconds until a call asks, and how much it takes."""


def wish(tokens: int = 0) -> PermitRequest:
    return PermitRequest(Usage(tokens), longest_s=60)


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
    limiter = CallLimiter(TERMS._replace(budget_tokens=budget), clock=clock)
    costs, flying = 0, []
    for most, share, lag in calls:
        clock.now += 1
        permit = limiter.ask(wish(most))
        if permit.refused:
            assert costs + most > budget
        elif permit.ticket:
            flying.append((permit.ticket, int(most * share), most))
            assert costs + sum(guess for _, _, guess in flying) <= budget
        while len(flying) > lag:
            ticket, took, _ = flying.pop(0)
            limiter.settle(ticket, Usage(took))
            costs += took
    assert costs <= budget


def test_what_is_in_flight_may_leave_enough() -> None:
    limiter = CallLimiter(TERMS._replace(budget_tokens=100), clock=Clock())
    first = limiter.ask(wish(60))
    waits = limiter.ask(wish(60))
    assert first.ticket
    assert (waits.ticket, waits.refused) == (0, "")
    assert waits.wait > 0
    limiter.settle(first.ticket, Usage(10))
    assert limiter.ask(wish(60)).ticket


def test_a_call_whose_worker_is_gone_counts_as_spent() -> None:
    clock = Clock()
    limiter = CallLimiter(TERMS._replace(budget_tokens=100), clock=clock)
    lost = limiter.ask(wish(60))
    clock.now += 61
    assert limiter.ask(wish(60)).refused.startswith("60 of `budget_tokens: 100` are used, and the next call may")
    limiter.settle(lost.ticket, Usage(60))
    assert limiter.ask(wish(40)).ticket, "it is entered once"


def test_tokens_that_were_not_taken_are_given_back() -> None:
    clock = Clock()
    limiter = CallLimiter(TERMS._replace(tokens_per_minute=600), clock=clock)
    first = limiter.ask(wish(100))
    assert first.wait == pytest.approx(9), "ten a second, ten of them at once"
    limiter.settle(first.ticket, Usage(10))
    assert limiter.ask(wish(10)).wait == pytest.approx(1)


def test_a_pause_holds_back_all_that_ask() -> None:
    clock = Clock()
    limiter = CallLimiter(TERMS, clock=clock, chance=iter([0, 0.5, 1]).__next__)
    limiter.hold(4)
    limiter.hold(2)
    clock.now += 1
    assert [limiter.ask(wish()).wait for _ in range(3)] == [3, 4, 5], "not all at once"
    clock.now += 3
    assert limiter.ask(wish()).wait == 0


def test_how_long_a_call_may_take_is_its_own_matter() -> None:
    clock = Clock()
    limiter = CallLimiter(TERMS._replace(budget_tokens=100), clock=clock)
    quick, slow = limiter.ask(PermitRequest(Usage(40), 10)), limiter.ask(PermitRequest(Usage(40), 1000))
    clock.now += 11
    assert limiter.ask(wish(30)).wait > 0, "the slow one may leave enough, the quick one is lost"
    limiter.settle(quick.ticket, Usage())
    limiter.settle(slow.ticket, Usage())
    assert limiter.ask(wish(60)).ticket


def test_who_gives_up_while_it_waits_takes_nothing() -> None:
    async def run() -> None:
        limiter = CallLimiter(TERMS._replace(budget_tokens=100))
        limiter.hold(60)
        waits = asyncio.ensure_future(acquire(LocalGate(limiter), wish(80)))
        await asyncio.sleep(0.05)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
        assert limiter.ask(wish(80)).ticket

    asyncio.run(run())


def test_a_call_asks_again_as_often_as_it_makes_sense() -> None:
    """Where others come back after hours, a budget is not looked at five times a second."""
    lines: list[float] = []

    class Slow(LocalGate):
        async def ask(self, wish: PermitRequest) -> Permit:
            lines.append(time.monotonic())
            return Permit(wait=0.01) if len(lines) < 3 else Permit(1)

    assert asyncio.run(acquire(Slow(CallLimiter(TERMS)), wish(), again_s=0.1)) == 1
    assert lines[-1] - lines[0] >= 0.2


def test_limits_of_a_run_are_forgotten_with_it() -> None:
    terms = TERMS._replace(budget_tokens=100)

    def refused() -> bool:
        here = gate(terms, runtime=Runtime(run="one"))
        return not asyncio.run(here.ask(wish(80))).ticket

    with shared_here(run="one"):
        assert [refused(), refused()] == [False, True]
    with shared_here(run="one"):
        assert not refused()


class Actor:
    """Stands for the actor that keeps an allowance: what is told to it, call by call."""

    def __init__(self) -> None:
        self.limiter = CallLimiter(TERMS)
        self.text: list[tuple[str, int, int]] = []

        class Method:
            def __init__(self, work: Callable[..., Any]) -> None:
                self.work = work

            async def _answer(self, found: Any) -> Any:
                return found

            def remote(self, *arguments: Any) -> Awaitable[Any]:
                return asyncio.ensure_future(self._answer(self.work(*arguments)))

        self.ask_all = Method(self._ask_all)
        self.settle_all = Method(self._settle_all)

    def _ask_all(self, wishes: list[PermitRequest], took: list[tuple[int, Usage]]) -> list[Permit]:
        self.text.append(("ask", len(wishes), len(took)))
        return self.limiter.ask_all(wishes, took)

    def _settle_all(self, took: list[tuple[int, Usage]]) -> None:
        self.text.append(("settle", 0, len(took)))
        self.limiter.settle_all(took)


@pytest.mark.ray
def test_what_calls_took_is_told_with_the_next_asking_or_soon() -> None:
    actor = Actor()

    async def work() -> None:
        there = ActorGate(actor)
        first = await asyncio.gather(*(there.ask(wish(1)) for _ in range(3)))
        for given_one in first:
            await there.settle(given_one.ticket, Usage(1))
        second = await there.ask(wish(1))
        assert actor.text == [("ask", 3, 0), ("ask", 1, 3)]
        await there.settle(second.ticket, Usage(1))
        await asyncio.sleep(0.2)
        assert actor.text[2:] == [("settle", 0, 1)], "nobody asked meanwhile"

    asyncio.run(work())


@pytest.mark.ray
def test_the_ticket_of_a_call_that_was_cancelled_goes_back() -> None:
    actor = Actor()
    actor.limiter = CallLimiter(TERMS._replace(budget_tokens=100))

    async def work() -> None:
        there = ActorGate(actor)
        for _ in range(3):
            asking = asyncio.ensure_future(there.ask(wish(80)))
            await asyncio.sleep(0)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await asyncio.sleep(0.1)
        assert (await there.ask(wish(80))).ticket

    asyncio.run(work())


def test_a_worker_of_a_cluster_asks_nobody_where_nothing_is_limited() -> None:
    """Whatever is limited has an actor; the runs on Ray with limits would wait for it in vain else."""
    assert isinstance(gate(TERMS, runtime=Runtime(run="one", cluster=True)), LocalGate)
    assert not TERMS.limit
    for name in ("requests_per_minute", "tokens_per_minute", "budget_usd", "budget_tokens"):
        assert TERMS._replace(**{name: 5}).limit
