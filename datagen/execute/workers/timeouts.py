"""What happens to a call that takes too long."""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

Limit = Callable[[float], AbstractContextManager[None]]
"""Ends the block when the seconds are over, in one way or another."""


@contextmanager
def interrupting(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` inside the block; in the main thread only, and between two steps of the interpreter."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def give_up(*_: Any) -> None:
        raise TimeoutError(f"took longer than {seconds:g} s, its `resources.timeout_s`")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def exiting(seconds: float) -> Iterator[None]:
    """End the whole process, its stacks written to its log, even if the block never comes back to the interpreter."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
