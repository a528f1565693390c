"""Work on files stays on the event loop while it is quick, and never stops it for long."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from datagen.storage.io_offload import IoOffloader


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def where_done(takes: Callable[[int], float], count: int) -> list[bool]:
    """Of each piece of work that takes so many seconds, whether it was done on the loop."""
    clock, here = Clock(), threading.current_thread()

    async def run() -> list[bool]:
        offloader = IoOffloader(clock=clock)

        def work(number: int) -> bool:
            clock.now += takes(number)
            return threading.current_thread() is here

        found = [await offloader.run(lambda number=number: work(number)) for number in range(count)]
        offloader.close()
        return found

    return asyncio.run(run())


def test_quick_work_stays_and_one_that_is_slow_by_accident_changes_nothing() -> None:
    assert all(where_done(lambda number: 0.5 if number % 3 == 0 else 0.0001, 60))


def test_slow_work_goes_to_threads_and_is_tried_again_after_a_while() -> None:
    done = where_done(lambda number: 0.05, 700)
    assert done[:4] == [True, True, True, False]
    assert done.count(True) <= 3 * 4


def test_what_fails_says_so_wherever_it_was_done() -> None:
    async def run() -> None:
        clock = Clock()
        offloader = IoOffloader(clock=clock)

        def work() -> None:
            clock.now += 1
            raise ValueError("no")

        for _ in range(6):
            with pytest.raises(ValueError, match="no"):
                await offloader.run(work)
        offloader.close()

    asyncio.run(run())
