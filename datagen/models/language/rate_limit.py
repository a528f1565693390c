"""What calls to one service may take: so many a minute, so many tokens a minute, and so much in all.

One `Allowance` stands for all workers of a run. A call asks for leave before it
is made, is told how long to wait, first come first served, and says afterwards
what it took. Nothing waits in here, so that one small actor can serve a cluster.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import NamedTuple


class Terms(NamedTuple):
    """What is allowed, of which model of which server; calls under equal terms share one allowance."""

    server: str
    model: str
    requests_per_minute: float | None
    tokens_per_minute: float | None
    budget_usd: float | None
    budget_tokens: int | None

    @property
    def limit(self) -> bool:
        """Whether they limit anything."""
        return any(limit is not None for limit in self[2:])


class Amount(NamedTuple):
    """What a call takes, or may take at the most."""

    tokens: int = 0
    usd: float = 0.0


class Wish(NamedTuple):
    """A call that is to be made."""

    most: Amount
    """What it takes at the most."""
    longest_s: float
    """Seconds after which it counts as spent if it never said what it took; its worker is gone."""


class Leave(NamedTuple):
    """Whether a call may be made."""

    ticket: int = 0
    """By which it says later what it took; 0 if it has to ask again after the wait."""
    wait: float = 0.0
    """Seconds."""
    refused: str = ""
    """Why it may not be made, nor any other."""


class Bucket:
    """An even flow of so much a minute, of which one second's worth may come at once.

    Released within any span of `s` seconds is never more than `room + rate * s`.
    """

    def __init__(self, per_minute: float, *, now: float) -> None:
        self.rate = per_minute / 60
        self.room = max(1.0, self.rate)
        self._level = self.room
        self._at = now

    def take(self, amount: float, *, now: float) -> float:
        """Seconds until this amount may go, all earlier ones before it. One larger than the room is paid off first."""
        self._level = min(self.room, self._level + max(0.0, now - self._at) * self.rate)
        self._at = max(now, self._at)
        self._level -= amount
        return max(0.0, -self._level / self.rate)

    def give_back(self, amount: float) -> None:
        """Correct an estimate; below zero, more was taken than was thought."""
        self._level = min(self.room, self._level + amount)


class _Out(NamedTuple):
    guess: Amount
    until: float


class Allowance:
    """The books of one service in one run; any thread may ask."""

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
        self._requests = Bucket(terms.requests_per_minute, now=now) if terms.requests_per_minute else None
        self._tokens = Bucket(terms.tokens_per_minute, now=now) if terms.tokens_per_minute else None
        self._held_until = now
        self._pause = 0.0
        """Seconds of the pause that lasts until then."""
        self._look_at = now
        """When calls that were lost are looked for next."""
        self._spent = Amount()
        self._out: dict[int, _Out] = {}
        self._flying = Amount()
        """What the calls in `_out` may take, in all."""
        self._tickets = count(1)

    def ask(self, wish: Wish) -> Leave:
        """Leave for a call."""
        guess = wish.most
        with self._lock:
            now = self._clock()
            self._enter_lost(now)
            if refused := self._over(self._spent, guess):
                return Leave(refused=refused)
            if self._over(_sum(self._spent, self._flying), guess):
                return Leave(wait=_AGAIN_S)
            waits = [self._held(now)]
            if self._requests:
                waits.append(self._requests.take(1, now=now))
            if self._tokens:
                waits.append(self._tokens.take(guess.tokens, now=now))
            wait = max(0.0, *waits)
            ticket = next(self._tickets)
            self._out[ticket] = _Out(guess, now + wait + wish.longest_s)
            self._flying = _sum(self._flying, guess)
            return Leave(ticket, wait)

    def ask_all(self, wishes: Sequence[Wish], took: Sequence[tuple[int, Amount]] = ()) -> list[Leave]:
        """Leave for several calls, in their order, once it is entered what others took."""
        self.settle_all(took)
        return [self.ask(wish) for wish in wishes]

    def settle_all(self, took: Sequence[tuple[int, Amount]]) -> None:
        """Enter what several calls took, by their tickets."""
        for ticket, amount in took:
            self.settle(ticket, amount)

    def settle(self, ticket: int, took: Amount) -> None:
        """Enter what a call took; its guess is let go."""
        with self._lock:
            if ticket not in self._out:
                return  # it came back after it was given up, and is entered already
            out = self._landed(ticket)
            self._spent = _sum(self._spent, took)
            if self._tokens:
                self._tokens.give_back(out.guess.tokens - took.tokens)

    def hold(self, seconds: float) -> None:
        """Let no call go for so long, as the service asked; they go one by one within half as long again."""
        with self._lock:
            if (until := self._clock() + seconds) > self._held_until:
                self._held_until, self._pause = until, seconds

    def _held(self, now: float) -> float:
        """Seconds that a call has to wait for the end of a pause, each some other, so that not all come at once."""
        return self._held_until - now + self._chance() * self._pause / 2 if now < self._held_until else 0.0

    def _enter_lost(self, now: float) -> None:
        if now < self._look_at:
            return
        self._look_at = now + 1
        for ticket in [ticket for ticket, out in self._out.items() if out.until < now]:
            self._spent = _sum(self._spent, self._landed(ticket).guess)

    def _landed(self, ticket: int) -> _Out:
        out = self._out.pop(ticket)
        tokens, usd = self._flying.tokens - out.guess.tokens, self._flying.usd - out.guess.usd
        self._flying = Amount(tokens, max(usd, 0.0)) if self._out else Amount()  # no error of rounding stays
        return out

    def _over(self, before: Amount, guess: Amount) -> str:
        """Which budget a call would break, in words."""
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
"""After which to ask again at the earliest, where those in flight may leave enough."""


def _sum(one: Amount, other: Amount) -> Amount:
    return Amount(one.tokens + other.tokens, one.usd + other.usd)
