"""Small work on files from an event loop: here while it is quick, in threads where it is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Found = TypeVar("Found")

_QUICK_S = 0.001
"""A thread costs a tenth of it to reach, and where the loop is busy, much more to come back from."""
_IN_A_ROW = 3
"""So many that were not quick are no accident, such as a busy core or a disk that flushes."""
_AWAY = 200
"""So many go to threads before some are tried here again."""
_THREADS = 32


class Nearby:
    """Does what it is given on the event loop, as long as that takes less than a millisecond.

    So the page cache of a local disk is written at once, and a service or a slow share never stops the loop for long.
    """

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._slow = 0
        self._away = 0
        self._threads: ThreadPoolExecutor | None = None

    async def do(self, work: Callable[[], Found]) -> Found:
        """What the work gives, or raises."""
        if self._away:
            self._away -= 1
            self._threads = self._threads or ThreadPoolExecutor(_THREADS, thread_name_prefix="files")
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        start = self._clock()
        try:
            return work()
        finally:
            self._slow = self._slow + 1 if self._clock() - start > _QUICK_S else 0
            if self._slow == _IN_A_ROW:
                self._slow, self._away = 0, _AWAY

    def close(self) -> None:
        """Let the threads go."""
        if self._threads:
            self._threads.shutdown(wait=False)
