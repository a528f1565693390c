"""Runs writers step by step: each waits before every change of a file until it is told to go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from stepwise import stepwise_os

from datagen.execute.ledger import lock
from datagen.storage import local_files

SECONDS = 60.0


class Clock:
    """Time as the locks see it; it stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


class Writer:
    """A thread that writes; `advance` lets it make some changes more, and returns when it waits again or has ended."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.error: BaseException | None = None
        self.result: Any = None
        self.steps = 0
        self._work = work
        self._granted = 0.0
        self._turn = threading.Condition()
        self._waits = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    @property
    def ended(self) -> bool:
        return self.thread.ident is not None and not self.thread.is_alive()

    def advance(self, steps: float = float("inf")) -> None:
        """Make so many changes; all that are left by default."""
        with self._turn:
            self._granted, self._waits = steps, False
            self._turn.notify_all()
        if self.thread.ident is None:
            self.thread.start()
        with self._turn:
            assert self._turn.wait_for(lambda: self._waits or self.ended, SECONDS)
        if self.ended:
            self.thread.join()

    def step(self) -> None:
        """Called by the thread before each change."""
        with self._turn:
            if self._granted < 1:
                self._waits = True
                self._turn.notify_all()
                assert self._turn.wait_for(lambda: self._granted >= 1, SECONDS)
            self._granted -= 1
            self.steps += 1

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # kept for the test, in whose thread it is looked at
            self.error = error
        finally:
            with self._turn:
                self._waits = True
                self._turn.notify_all()


class Steps:
    """Makes all changes of files by threads of `Writer`s wait for their turn, and locks go by a clock of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = Clock()
        self._writers: dict[threading.Thread, Writer] = {}
        monkeypatch.setattr(local_files, "os", stepwise_os(self._step))
        monkeypatch.setattr(lock, "time", self.clock)

    def writer(self, work: Callable[[], Any]) -> Writer:
        """A writer that has not begun."""
        found = Writer(work)
        self._writers[found.thread] = found
        return found

    def _step(self) -> None:
        if writer := self._writers.get(threading.current_thread()):
            writer.step()
