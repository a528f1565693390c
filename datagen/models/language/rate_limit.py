"""Limits of calls to one service: requests and tokens a minute, and a budget in tokens or US dollars.

One `CallLimiter` serves all workers of a run. A call asks for a permit, waits as long as the permit says, and settles
what it used afterwards. Permits are given in the order of the requests. The limiter itself never waits, so that one
small actor can serve a cluster.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple


class Terms(NamedTuple):
    """The limits of one model on one server; None is no limit. Calls under equal terms share one limiter."""

    server: str
    model: str
    requests_per_minute: float | None
    tokens_per_minute: float | None
    budget_usd: float | None
    budget_tokens: int | None

    @property
    def limit(self) -> bool:
        """Whether anything is limited."""
        return any(limit is not None for limit in self[2:])


class Usage(NamedTuple):
    """Tokens and US dollars of a call: used, or an upper estimate."""

    tokens: int = 0
    usd: float = 0.0


class PermitRequest(NamedTuple):
    """A call that asks for a permit."""

    most: Usage
    """The most that it may use."""
    longest_s: float
    """Seconds after which an unsettled call counts as lost, because its worker died; `most` then counts as used."""


class Permit(NamedTuple):
    """Whether, and when, a call may be made."""

    ticket: int = 0
    """The number to settle the call with; 0 if it must ask again after `wait`."""
    wait: float = 0.0
    """Seconds to wait."""
    refused: str = ""
    """Why neither this call nor any other may be made; '' if it may."""


class Bucket:
    """A token bucket: an even flow of an amount a minute, with a burst of one second.

    Within any span of `s` seconds it releases at most `room + rate * s`.
    """

    def __init__(self, per_minute: float, *, now: float) -> None:
        self.rate = per_minute / 60
        self.room = max(1.0, self.rate)  # at least one call, also below one a second
        self._level = self.room
        self._at = now

    def take(self, amount: float, *, now: float) -> float:
        """Seconds until this amount may go, after all earlier ones. A level below 0 makes later ones wait."""
        self._level = min(self.room, self._level + max(0.0, now - self._at) * self.rate)
        self._at = max(now, self._at)
        self._level -= amount
        return max(0.0, -self._level / self.rate)

    def give_back(self, amount: float) -> None:
        """Return what an estimate had too much; a negative amount if it had too little."""
        self._level = min(self.room, self._level + amount)


class _InFlight(NamedTuple):
    guess: Usage
    until: float


class CallLimiter:
    """The limits and the use of one service in one run. It is thread-safe."""

    def __init__(
        self,
        terms: Terms,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.terms = terms
        self._clock = clock
        self._chance = chance
        self._lock = threading.Lock()
        now = clock()
        self._request_bucket = Bucket(terms.requests_per_minute, now=now) if terms.requests_per_minute else None
        self._token_bucket = Bucket(terms.tokens_per_minute, now=now) if terms.tokens_per_minute else None
        self._paused_until = now
        self._pause = 0.0
        """Length of that pause, in seconds."""
        self._next_lost_check = now
        """When lost calls are searched next."""
        self._used = Usage()
        self._in_flight: dict[int, _InFlight] = {}
        self._reserved = Usage()
        """The estimates of the calls in `_in_flight`, summed up."""
        self._tickets = count(1)

    def ask(self, request: PermitRequest) -> Permit:
        """The permit for a call."""
        guess = request.most
        with self._lock:
            now = self._clock()
            self._settle_lost(now)
            if refused := self._exceeded_budget(self._used, guess):
                return Permit(refused=refused)
            if self._exceeded_budget(_sum(self._used, self._reserved), guess):
                return Permit(wait=_AGAIN_S)  # those in flight may use less than their estimates
            waits = [self._pause_left(now)]
            if self._request_bucket:
                waits.append(self._request_bucket.take(1, now=now))
            if self._token_bucket:
                waits.append(self._token_bucket.take(guess.tokens, now=now))
            wait = max(0.0, *waits)
            ticket = next(self._tickets)
            self._in_flight[ticket] = _InFlight(guess, now + wait + request.longest_s)
            self._reserved = _sum(self._reserved, guess)
            return Permit(ticket, wait)

    def ask_all(self, requests: Sequence[PermitRequest], took: Sequence[tuple[int, Usage]] = ()) -> list[Permit]:
        """The permits for several calls, in their order, after settling others."""
        self.settle_all(took)
        return [self.ask(request) for request in requests]

    def settle_all(self, took: Sequence[tuple[int, Usage]]) -> None:
        """Settle several calls: tickets, and what they used."""
        for ticket, amount in took:
            self.settle(ticket, amount)

    def settle(self, ticket: int, took: Usage) -> None:
        """Replace the estimate of a call by what it used."""
        with self._lock:
            if ticket not in self._in_flight:
                return  # it came back after it counted as lost, when its estimate was added
            out = self._release(ticket)
            self._used = _sum(self._used, took)
            if self._token_bucket:
                self._token_bucket.give_back(out.guess.tokens - took.tokens)

    def hold(self, seconds: float) -> None:
        """Pause all calls, as the service requested. They resume spread over half of that time again."""
        with self._lock:
            if (until := self._clock() + seconds) > self._paused_until:
                self._paused_until, self._pause = until, seconds

    def _pause_left(self, now: float) -> float:
        """Seconds until the end of a pause, plus a random part, so that calls do not all come at once."""
        return self._paused_until - now + self._chance() * self._pause / 2 if now < self._paused_until else 0.0

    def _settle_lost(self, now: float) -> None:
        if now < self._next_lost_check:
            return
        self._next_lost_check = now + 1
        for ticket in [ticket for ticket, out in self._in_flight.items() if out.until < now]:
            self._used = _sum(self._used, self._release(ticket).guess)

    def _release(self, ticket: int) -> _InFlight:
        out = self._in_flight.pop(ticket)
        tokens, usd = self._reserved.tokens - out.guess.tokens, self._reserved.usd - out.guess.usd
        self._reserved = (
            Usage(tokens, max(usd, 0.0)) if self._in_flight else Usage()
        )  # an empty sum is exactly 0, without rounding errors
        return out

    def _exceeded_budget(self, before: Usage, guess: Usage) -> str:
        """The budget that a call would exceed, in words; '' if none."""
        terms = self.terms
        if terms.budget_usd is not None and before.usd + guess.usd > terms.budget_usd:
            return (
                f"{before.usd:.4g} of `budget_usd: {terms.budget_usd:g}` are spent, "
                f"and the next call may cost {guess.usd:.2g}"
            )
        if terms.budget_tokens is not None and before.tokens + guess.tokens > terms.budget_tokens:
            return (
                f"{before.tokens:,} of `budget_tokens: {terms.budget_tokens:,}` are used, "
                f"and the next call may take {guess.tokens:,}"
            )
        return ""


_AGAIN_S = 0.2
"""Seconds until the next request, if calls in flight may return enough of the budget."""


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(one.tokens + other.tokens, one.usd + other.usd)
