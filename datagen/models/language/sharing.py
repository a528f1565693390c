"""Where the allowance of a service is: in this process, or in one small actor for all workers of a cluster.

The driver makes the actors, on its own machine, so that they end with the run
and not with a worker. Each has a name of the run and the terms, by which
workers find it.
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
from datagen.models.language.batcher import Gathered
from datagen.models.language.rate_limit import Allowance, Amount, Leave, Terms, Wish

_SOON_S = 0.05
"""After which it is told what calls took, if none asks before."""


class Gate(Protocol):
    """An `Allowance`, wherever it is."""

    async def ask(self, wish: Wish) -> Leave:
        """See `Allowance.ask`. Raises `AllowanceError` if it is gone."""
        ...

    async def settle(self, ticket: int, took: Amount) -> None:
        """See `Allowance.settle`."""
        ...

    async def hold(self, seconds: float) -> None:
        """See `Allowance.hold`."""
        ...


class Here:
    """An allowance in this process."""

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance

    async def ask(self, wish: Wish) -> Leave:
        """See `Gate`."""
        return self._allowance.ask(wish)

    async def settle(self, ticket: int, took: Amount) -> None:
        """See `Gate`."""
        self._allowance.settle(ticket, took)

    async def hold(self, seconds: float) -> None:
        """See `Gate`."""
        self._allowance.hold(seconds)


class There:
    """An allowance in an actor of the cluster, which is asked for many calls at once.

    What calls took is told with the next asking, or soon: an actor's method costs a worker as much as a call.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._asking: Gathered[Wish, Leave] = Gathered(self._ask_all)
        self._took: list[tuple[int, Amount]] = []
        self._telling: asyncio.TimerHandle | None = None

    async def ask(self, wish: Wish) -> Leave:
        """See `Gate`; of one that is cancelled the ticket goes back."""
        asking = asyncio.ensure_future(self._asking(wish))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(self._give_back)
            raise

    async def settle(self, ticket: int, took: Amount) -> None:
        """See `Gate`."""
        self._settle(ticket, took)

    def _give_back(self, asking: asyncio.Future[Leave]) -> None:
        if not asking.cancelled() and not asking.exception() and asking.result().ticket:
            self._settle(asking.result().ticket, Amount())

    def _settle(self, ticket: int, took: Amount) -> None:
        self._took.append((ticket, took))
        self._telling = self._telling or asyncio.get_running_loop().call_later(_SOON_S, self._tell)

    async def _ask_all(self, wishes: list[Wish]) -> list[Leave]:
        leaves: list[Leave] = await _answer(self._actor.ask_all, wishes, self._told())
        return leaves

    def _tell(self) -> None:
        if took := self._told():
            self._actor.settle_all.remote(took)

    def _told(self) -> list[tuple[int, Amount]]:
        if self._telling:
            self._telling.cancel()
        took, self._took, self._telling = self._took, [], None
        return took

    async def hold(self, seconds: float) -> None:
        """See `Gate`."""
        await _answer(self._actor.hold, seconds)


async def _answer(method: Any, *arguments: Any) -> Any:
    from ray.exceptions import RayActorError

    try:
        return await method.remote(*arguments)
    except RayActorError as error:
        raise AllowanceError(
            "what keeps the limits of calls for all workers is gone; the same command goes on from here"
        ) from error


_OURS: dict[tuple[str, Terms], Allowance] = {}
"""Of the runs of this process that go on."""
_LOCK = threading.Lock()


def gate(terms: Terms, *, runtime: Runtime) -> Gate:
    """The allowance that all of a run share; one of its own for what runs outside a run.

    Where nothing is limited each worker of a cluster has its own, which keeps the server's pauses: to ask for leave
    elsewhere costs a worker as much as the call.
    """
    if runtime.cluster and terms.limit:
        import ray

        return There(ray.get_actor(_name(terms, runtime.run)))
    if not runtime.run:
        return Here(Allowance(terms))
    with _LOCK:
        return Here(_OURS.setdefault((runtime.run, terms), Allowance(terms)))


@contextmanager
def shared_here(*, run: str) -> Iterator[None]:
    """While the block lasts, the workers of a run in this process share their limits; then these are forgotten."""
    try:
        yield
    finally:
        with _LOCK:
            for key in [key for key in _OURS if key[0] == run]:
                del _OURS[key]


@contextmanager
def shared(all_terms: Iterable[Terms], *, run: str) -> Iterator[None]:
    """While the block lasts, the workers of a run on Ray find an actor for each of these terms."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    made: Callable[[type], Any] = ray.remote(num_cpus=0)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actors = [
        made(Allowance).options(name=_name(terms, run), scheduling_strategy=here).remote(terms)
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


async def leave(gate: Gate, wish: Wish, *, again_s: float = 0) -> int:
    """Wait until a call may be made; the ticket to settle. Raises `AllowanceError` if a budget is spent.

    Where calls in flight have to come back first, it asks every `again_s` seconds, or as often as the gate says.
    """
    while True:
        given = await gate.ask(wish)
        if given.refused:
            raise AllowanceError(given.refused)
        if not given.ticket:
            await asyncio.sleep(max(given.wait, again_s))
            continue
        try:
            if given.wait:
                await asyncio.sleep(given.wait)
        except BaseException:
            await gate.settle(given.ticket, Amount())  # it was never made
            raise
        return given.ticket
