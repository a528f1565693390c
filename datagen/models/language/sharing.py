"""Access to the call limiter of a service: in this process, or in one small actor for all workers of a cluster.

The driver creates the actors on its own machine, so that they end with the run and not with a worker. Workers find an
actor by its name, which is made of the run and the terms.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from datagen.core.errors import AllowanceError
from datagen.core.stage import Runtime
from datagen.models.language.batcher import Batcher
from datagen.models.language.rate_limit import CallLimiter, Permit, PermitRequest, Terms, Usage

_SEND_AFTER_S = 0.05
"""Seconds until the use of calls is sent to the actor, if no request for a permit takes it along before."""


class Gate(Protocol):
    """A `CallLimiter`, here or in an actor."""

    async def ask(self, request: PermitRequest) -> Permit:
        """See `CallLimiter.ask`. Raises `AllowanceError` if it is gone."""
        ...

    async def settle(self, ticket: int, took: Usage) -> None:
        """See `CallLimiter.settle`."""
        ...

    async def hold(self, seconds: float) -> None:
        """See `CallLimiter.hold`."""
        ...


class LocalGate:
    """A limiter in this process."""

    def __init__(self, limiter: CallLimiter) -> None:
        self._limiter = limiter

    async def ask(self, request: PermitRequest) -> Permit:
        """See `Gate`."""
        return self._limiter.ask(request)

    async def settle(self, ticket: int, took: Usage) -> None:
        """See `Gate`."""
        self._limiter.settle(ticket, took)

    async def hold(self, seconds: float) -> None:
        """See `Gate`."""
        self._limiter.hold(seconds)


class ActorGate:
    """A limiter in an actor of the cluster. Requests are combined, and use is sent with the next request or soon.

    This matters because a call of an actor's method costs a worker as much as the call to the service.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._batcher: Batcher[PermitRequest, Permit] = Batcher(self._ask_all)
        self._took: list[tuple[int, Usage]] = []
        self._send_timer: asyncio.TimerHandle | None = None

    async def ask(self, request: PermitRequest) -> Permit:
        """See `Gate`. If the caller is cancelled, its ticket is settled with no use."""
        asking = asyncio.ensure_future(self._batcher(request))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._return_ticket)
            raise

    async def settle(self, ticket: int, took: Usage) -> None:
        """See `Gate`."""
        self._settle(ticket, took)

    def _return_ticket(self, asking: asyncio.Future[Permit]) -> None:
        if not asking.cancelled() and not asking.exception() and asking.result().ticket:
            self._settle(asking.result().ticket, Usage())

    def _settle(self, ticket: int, took: Usage) -> None:
        self._took.append((ticket, took))
        self._send_timer = self._send_timer or asyncio.get_running_loop().call_later(_SEND_AFTER_S, self._send_usage)

    async def _ask_all(self, requests: list[PermitRequest]) -> list[Permit]:
        permits: list[Permit] = await _call_actor(self._actor.ask_all, requests, self._drain_usage())
        return permits

    def _send_usage(self) -> None:
        if took := self._drain_usage():
            self._actor.settle_all.remote(took)

    def _drain_usage(self) -> list[tuple[int, Usage]]:
        if self._send_timer:
            self._send_timer.cancel()
        took, self._took, self._send_timer = self._took, [], None
        return took

    async def hold(self, seconds: float) -> None:
        """See `Gate`."""
        await _call_actor(self._actor.hold, seconds)


async def _call_actor(method: Any, *arguments: Any) -> Any:
    from ray.exceptions import RayActorError

    try:
        return await method.remote(*arguments)
    except RayActorError as error:
        raise AllowanceError(
            "what keeps the limits of calls for all workers is gone; the same command goes on from here"
        ) from error


_LIMITERS: dict[tuple[str, Terms], CallLimiter] = {}
"""The limiters of the runs of this process, by run and terms."""
_LOCK = threading.Lock()


def gate(terms: Terms, *, runtime: Runtime) -> Gate:
    """The limiter that all workers of a run share. Outside a run it is a new one.

    If nothing is limited, each worker of a cluster has its own one for the pauses that the server requests: to ask an
    actor costs a worker as much as the call.
    """
    if runtime.cluster and terms.limit:
        import ray

        return ActorGate(ray.get_actor(_name(terms, runtime.run)))
    if not runtime.run:
        return LocalGate(CallLimiter(terms))
    with _LOCK:
        return LocalGate(_LIMITERS.setdefault((runtime.run, terms), CallLimiter(terms)))


@contextmanager
def shared_here(*, run: str) -> Iterator[None]:
    """Remove the limiters of a run from this process after the block."""
    try:
        yield
    finally:
        with _LOCK:
            for key in [key for key in _LIMITERS if key[0] == run]:
                del _LIMITERS[key]


@contextmanager
def shared(all_terms: Iterable[Terms], *, run: str) -> Iterator[None]:
    """Have an actor on Ray for each of these terms, for the workers of a run, while the block lasts."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    made: Callable[[type], Any] = ray.remote(num_cpus=0)  # it only counts, and must not take a core from stages
    # on the driver's machine: it ends with the run, and no worker's death resets a budget
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actors = [
        made(CallLimiter).options(name=_name(terms, run), scheduling_strategy=here).remote(terms)
        for terms in dict.fromkeys(all_terms)
        if terms.limit
    ]
    try:
        yield
    finally:
        for actor in actors:
            ray.kill(actor)


def _name(terms: Terms, run: str) -> str:
    digest = hashlib.sha256(json.dumps(terms).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"calls to {terms.model} {run} {digest}"


async def acquire(gate: Gate, request: PermitRequest, *, again_s: float = 0) -> int:
    """Wait until a call may be made; the ticket to settle it with. Raises `AllowanceError` if a budget is used up.

    If calls in flight have to return first, it asks again after `again_s` seconds, or after the permit's `wait` if that
    is longer.
    """
    while True:
        permit = await gate.ask(request)
        if permit.refused:
            raise AllowanceError(permit.refused)
        if not permit.ticket:
            await asyncio.sleep(max(permit.wait, again_s))
            continue
        try:
            if permit.wait:
                await asyncio.sleep(permit.wait)
        except BaseException:
            await gate.settle(permit.ticket, Usage())  # it was never made
            raise
        return permit.ticket
