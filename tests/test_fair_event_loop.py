"""The event loop that takes a few events at a time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack

import pytest

from datagen.execute.workers.fair_event_loop import new_loop

PAIRS = 50


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    with ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(PAIRS)]
        for one, other in pairs:
            stack.enter_context(one).setblocking(False)
            stack.enter_context(other).setblocking(False)
        yield pairs


def steps(pairs: list[tuple[socket.socket, socket.socket]], loop: asyncio.AbstractEventLoop) -> list[tuple[str, int]]:
    """Each is told something at once, and goes on by itself; the order of what happens."""
    order: list[tuple[str, int]] = []

    async def one(number: int) -> None:
        await loop.sock_recv(pairs[number][0], 1)
        order.append(("heard", number))
        await asyncio.sleep(0)
        order.append(("went on", number))

    async def all_of_them() -> None:
        tasks = [asyncio.ensure_future(one(number)) for number in range(PAIRS)]
        await asyncio.sleep(0)
        for _, other in pairs:
            other.send(b"x")
        await asyncio.gather(*tasks)

    loop.run_until_complete(all_of_them())
    loop.close()
    return order


def test_some_go_on_before_all_are_heard(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    order = steps(pairs, new_loop())
    assert sorted(order) == sorted([("heard", n) for n in range(PAIRS)] + [("went on", n) for n in range(PAIRS)])
    assert [number for what, number in order if what == "heard"] == list(range(PAIRS)), "none waits for later ones"
    heard_first = [what for what, _ in order].index("went on")
    assert heard_first < PAIRS / 4


def test_asyncios_own_hears_all_first(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    order = steps(pairs, asyncio.SelectorEventLoop())
    assert [what for what, _ in order].index("went on") == PAIRS, "else this loop has no use any more"


def test_what_is_let_go_meanwhile_is_not_told(pairs: list[tuple[socket.socket, socket.socket]]) -> None:
    """Also not to whoever was given the same number of a file in the meantime."""
    loop = new_loop()
    told: list[str] = []
    late: list[socket.socket] = []

    def first() -> None:
        told.append("first")
        loop.remove_reader(pairs[0][0])
        last = pairs[-1][0]
        number = last.fileno()
        loop.remove_reader(last)
        last.close()
        late.extend(socket.socketpair())
        again = next(one for one in late if one.fileno() == number)
        loop.add_reader(again, told.append, "nothing was sent to it")

    async def wait() -> None:
        loop.add_reader(pairs[0][0], first)
        for one, _ in pairs[1:-1]:
            loop.add_reader(one, reading(one))
        loop.add_reader(pairs[-1][0], told.append, "it was let go")
        for _, other in pairs:
            other.send(b"x")
        while len(told) < PAIRS - 1:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

    def reading(one: socket.socket) -> Callable[[], None]:
        def read() -> None:
            loop.remove_reader(one)
            told.append("read")

        return read

    loop.run_until_complete(asyncio.wait_for(wait(), 10))
    for one in late:
        one.close()
    loop.close()
    assert told == ["first"] + ["read"] * (PAIRS - 2)


def test_one_that_stops_to_listen_and_listens_again_is_told_once(
    pairs: list[tuple[socket.socket, socket.socket]],
) -> None:
    """A key that changed while its event waited is found anew."""
    loop = new_loop()
    told: list[int] = []

    async def hear() -> None:
        await asyncio.gather(*map(listen, range(PAIRS)))

    async def listen(number: int) -> None:
        here, there = pairs[number]
        there.send(b"x")
        loop.add_writer(here, lambda: None)  # the same file, watched for two things, then for one
        got: Awaitable[bytes] = loop.sock_recv(here, 1)
        waiting = asyncio.ensure_future(got)
        await asyncio.sleep(0)
        loop.remove_writer(here)
        assert await waiting == b"x"
        told.append(number)

    loop.run_until_complete(asyncio.wait_for(hear(), 10))
    loop.close()
    assert sorted(told) == list(range(PAIRS))
