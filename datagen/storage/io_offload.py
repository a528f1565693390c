"""Small file operations from an event loop: on the loop while they are fast, in threads once they are slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

_QUICK_S = 0.001
"""Faster operations are not worth a thread, which costs a tenth of this, and much more while the loop is busy."""
_SLOW_IN_A_ROW = 3
"""This many slow operations one after another are no accident, such as a busy core or a disk that flushes."""
_OFFLOADED_AT_ONCE = 200
"""Operations that go to threads before the loop is tried again."""
_THREADS = 32


class IoOffloader:
    """Runs functions on the event loop as long as each takes less than a millisecond, else in threads.

    So writes to the page cache of a local disk are immediate, and a service or a slow share never blocks the loop for
    long.
    """

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._slow = 0
        self._to_offload = 0
        self._threads: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`. Raises what it raises."""
        if self._to_offload:
            self._to_offload -= 1
            self._threads = self._threads or ThreadPoolExecutor(_THREADS, thread_name_prefix="files")
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        start = self._clock()
        try:
            return work()
        finally:
            self._slow = self._slow + 1 if self._clock() - start > _QUICK_S else 0
            if self._slow == _SLOW_IN_A_ROW:
                self._slow, self._to_offload = 0, _OFFLOADED_AT_ONCE

    def close(self) -> None:
        """Stop the threads once they are idle."""
        if self._threads:
            self._threads.shutdown(wait=False)
