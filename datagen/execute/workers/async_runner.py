"""Runs one stage that waits for a service: its calls of all slices at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from contextlib import nullcontext
from functools import partial
from typing import Any, TypeVar

from datagen.core.stage import AsyncMap, Failed, billing
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.reuse.answer_cache import Cost, Kept
from datagen.execute.workers.fair_event_loop import new_loop
from datagen.execute.workers.stage_runner import ENDING, Answered, Care, NodeRun, Unit, cost_of, failed
from datagen.storage.io_offload import IoOffloader

_Done = TypeVar("_Done")


class AsyncRun(NodeRun):
    """One AsyncMap stage: its calls of all slices wait together, on one event loop.

    What ends the run is raised once all calls in flight have come back and are kept; no further ones are made.
    A stage that waits for no service computes: one record at a time, in the thread that can be interrupted.
    """

    def begin(self) -> None:
        """Have an event loop."""
        self._waits = self.node.cost == 2
        self._loop = new_loop()
        self._gate = asyncio.Semaphore(self.node.resources.concurrency if self._waits else 1)
        self._offloader = IoOffloader()
        self._ended: Exception | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        if self._waits:
            self._thread.start()

    def close(self) -> None:
        """Let go of the stage's connections, and end the event loop."""
        assert isinstance(self.stage, AsyncMap)
        try:
            self._done(self.stage.close())
        finally:
            self._offloader.close()
            self._stop()

    def _stop(self) -> None:
        if self._waits:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def _done(self, work: Coroutine[Any, Any, _Done]) -> _Done:
        """What some work on the loop comes to."""
        if not self._waits:
            return self._loop.run_until_complete(work)
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise

    def ask(self, units: list[Unit], *, care: Care | None, counters: StageCounters) -> Answered:
        """What the stage says of each record, as many calls at once as it may have; with care one by one."""
        if care is None:
            return self._done(self._all(units, counters))
        found: Answered = {}
        for unit in units:
            spared = self.spared(unit, care)
            found.update({unit.name: Kept(spared, Cost())} if spared else self._done(self._all([unit], counters)))
        return found

    async def _all(self, units: list[Unit], counters: StageCounters) -> Answered:
        answers = await asyncio.gather(*(self._one(unit, counters) for unit in units), return_exceptions=True)
        found: Answered = {}
        for unit, answer in zip(units, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            found[unit.name] = answer
        return found

    async def _one(self, unit: Unit, counters: StageCounters) -> Kept:
        stage = self.stage
        assert isinstance(stage, AsyncMap)
        limit = self.node.resources.timeout_s
        async with self._gate:
            if self._ended:
                raise self._ended
            start = time.perf_counter()
            with billing() as bill:
                try:
                    with self._limit(limit) if limit and not self._waits else nullcontext():
                        view = self.view(unit.lives[0])
                        answer: Any = await asyncio.wait_for(stage.process_one(view), limit if self._waits else None)
                except ENDING as error:
                    self._ended = error
                    raise
                except (Exception, SystemExit) as error:
                    answer = self._late(limit) if isinstance(error, TimeoutError) and limit else failed(error)
                cost = cost_of(start, bill)
            self.book(unit.lives, cost, counters)
            kept = self._checked(unit, answer, cost)
            if self.answers is not None and self._waits and not isinstance(kept.answer, Failed):
                # a place is given to the next call only now: no more answers can be lost than calls in flight
                try:
                    await self._offloader.run(partial(self.answers.note, unit.state.slice, unit.key, kept))
                except ENDING as error:
                    self._ended = error
                    raise
            return kept

    def _late(self, limit: float) -> Failed:
        return Failed(f"took longer than {limit:g} s, its `resources.timeout_s`")
