"""An event loop that finishes some calls before it hears of the next.

What came at once, asyncio takes on at once: it reads every answer, then goes on with every task, then sends every
further call. Calls that were sent together so stay together, and each waits for the work of all others. Taken a few at
a time, the first is sent again before the last is read, and calls spread over the time that they wait for a service.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque

_AT_ONCE = 2
"""Events of one turn of the loop: the fewer, the better calls spread, and the more turns there are to pay for."""

_Event = tuple[selectors.SelectorKey, int]


class _FewAtATime(selectors.DefaultSelector):
    """Tells of events in the order in which they were found, a few at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._found: deque[_Event] = deque()

    def select(self, timeout: float | None = None) -> list[_Event]:
        """See `BaseSelector`. Events of files that are no longer watched in the same way are found again, or not."""
        known = self.get_map()
        while self._found:
            few = [self._found.popleft() for _ in range(min(_AT_ONCE, len(self._found)))]
            if still := [(key, events) for key, events in few if known.get(key.fd) is key]:
                return still
        self._found.extend(super().select(timeout))
        return [self._found.popleft() for _ in range(min(_AT_ONCE, len(self._found)))]


def new_loop() -> asyncio.AbstractEventLoop:
    """A loop for calls that wait for services."""
    return asyncio.SelectorEventLoop(_FewAtATime())
