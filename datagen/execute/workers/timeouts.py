"""Time limits of a stage's calls.

The local engine interrupts a call by a signal. A Ray worker ends its whole process instead: that also works for a call
that never returns to the interpreter, such as a regular expression or a CUDA call. The scheduler then finds the record
like any other that kills its worker.
"""

from __future__ import annotations

import faulthandler
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

TimeLimit = Callable[[float], AbstractContextManager[None]]
"""A context manager that ends its block after the given seconds."""


@contextmanager
def raise_on_timeout(seconds: float) -> Iterator[None]:
    """Raise `TimeoutError` inside the block after `seconds`.

    Python handles signals between two steps of the interpreter, in the main thread only. In another thread the block
    has no limit.
    """
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
def exit_on_timeout(seconds: float) -> Iterator[None]:
    """End the process after `seconds`, and write the stacks of its threads to its log.

    The watchdog of `faulthandler` is a thread that works without the interpreter.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
