"""Runs one AsyncMap stage: the calls of all slices wait for their service together.

All calls of a worker run on one event loop in a thread of its own; `resources.concurrency` limits how many are open at
once. Calls for several slices may be made from several threads of an actor, and share that limit.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any, TypeVar

from datagen.core.stage import AsyncMap, Failed, billing
from datagen.execute.ledger.stage_counters import StageCounters
from datagen.execute.reuse.answer_cache import CachedAnswer, Cost
from datagen.execute.workers.stage_runner import (
    FATAL_ERRORS,
    UNSTOPPABLE,
    AnswersByUnit,
    CrashIsolation,
    StageRunner,
    Unit,
    cost_since,
    failed_answer,
)
from datagen.storage.io_offload import IoOffloader

_Done = TypeVar("_Done")


class CallLoop:
    """The event loop of a stage's calls: at most `concurrency` are open at once.

    The rounds of a repeated stage share one loop in a worker, and with it the limit and what has ended the run.
    If the stage `waits` for a service, the loop has a thread of its own.
    """

    def __init__(self, *, waits: bool, concurrency: int) -> None:
        self.waits = waits
        self.gate = asyncio.Semaphore(concurrency if waits else 1)
        self.offloader = IoOffloader()
        self.ended: BaseException | None = None
        """The error after which no further call is made."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        if waits:
            self._thread.start()

    def _run(self) -> None:
        """Run the loop until it is stopped. An exit of a task that a stage started ends that task, not the loop."""
        while True:
            try:
                return self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt):  # no signal: Python handles these in the main thread
                continue

    def stop(self) -> None:
        """End the loop and its thread."""
        if self.waits:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def wait_for(self, work: Coroutine[Any, Any, _Done]) -> _Done:
        """Run a coroutine on the loop and return its result. If the caller is interrupted, it is cancelled."""
        if not self.waits:
            task = self._loop.create_task(work)
            while not task.done():
                with suppress(SystemExit):  # of a task that the stage started; the stage's own is its answer
                    self._loop.run_until_complete(task)
            return task.result()
        waiting = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return waiting.result()
        except BaseException:
            waiting.cancel()
            raise


class AsyncRunner(StageRunner):
    """Runs one AsyncMap stage; see the head of this file.

    If a call raises one of `FATAL_ERRORS`, no further calls are made. The error is raised once all calls in flight have
    come back and their answers are stored, as these are paid for.

    An AsyncMap stage whose models call no service only computes. It runs one record at a time, in the caller's thread:
    only there can a time limit interrupt it.
    """

    def init_resources(self) -> None:
        """Create the event loop, and its thread if the stage waits for a service; a later round takes the first's."""
        self._calls: CallLoop = (
            self.first._calls
            if isinstance(self.first, AsyncRunner)
            else CallLoop(waits=self.node.cost == 2, concurrency=self.node.resources.concurrency)
        )

    def close(self) -> None:
        """Close the stage's connections, and end the event loop."""
        assert isinstance(self.stage, AsyncMap)
        try:
            if not self.shares_stage:
                self._calls.wait_for(self.stage.close())
        finally:
            if self.first is None:
                self._calls.offloader.close()
                self.stop_loop()

    def stop_loop(self) -> None:
        """End the event loop alone; the stage and its connections stay usable on another loop."""
        if self.first is None:
            self._calls.stop()

    def call_stage(
        self, units: list[Unit], *, isolation: CrashIsolation | None, counters: StageCounters
    ) -> AnswersByUnit:
        """Call the stage for all units at once, within the limit of open calls; in isolation one by one."""
        if isolation is None:
            return self._calls.wait_for(self._call_all(units, counters))
        found: AnswersByUnit = {}
        for unit in units:
            killer_failure = self.killer_failure(unit, isolation)
            found.update(
                {unit.name: CachedAnswer(killer_failure, Cost())}
                if killer_failure
                else self._calls.wait_for(self._call_all([unit], counters))
            )
        return found

    async def _call_all(self, units: list[Unit], counters: StageCounters) -> AnswersByUnit:
        # `return_exceptions`: otherwise the first error would return at once, and leave paid calls behind.
        answers = await asyncio.gather(*(self._call_one(unit, counters) for unit in units), return_exceptions=True)
        found: AnswersByUnit = {}
        for unit, answer in zip(units, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            found[unit.name] = answer
        return found

    async def _call_one(self, unit: Unit, counters: StageCounters) -> CachedAnswer:
        """Make the call of one unit when the gate lets it, and store its answer."""
        stage = self.stage
        assert isinstance(stage, AsyncMap)
        limit = self.node.resources.timeout_s
        async with self._calls.gate:
            if self._calls.ended:
                raise self._calls.ended
            start = time.perf_counter()
            view = self.view(unit.members[0])
            with billing() as bill:
                try:
                    with self._limit(limit) if limit and not self._calls.waits else nullcontext():
                        answer: Any = await _own_task(stage.process_one(view), limit if self._calls.waits else None)
                except UNSTOPPABLE as error:
                    self._calls.ended = error
                    raise
                except TimeoutError as error:
                    late = f"took longer than {limit:g} s, its `resources.timeout_s`"
                    answer = Failed(late) if limit else failed_answer(error)
                except _RaisedError as error:
                    answer = failed_answer(error.cause)
                cost = cost_since(start, bill)
            self.add_cost(unit.members, cost, counters)
            cached = self.checked(unit, [view], answer, cost)
            if self.answers is not None and self._calls.waits and not isinstance(cached.answer, Failed):
                # Inside the gate: the next call starts only when this answer is stored. So a kill loses no more answers
                # than there are calls in flight.
                try:
                    await self._calls.offloader.run(partial(self.answers.append, unit.state.slice, unit.key, cached))
                except FATAL_ERRORS as error:
                    self._calls.ended = error
                    raise
            return cached


class _RaisedError(Exception):
    """What a stage raised, as an `Exception`: the event loop lets some others through to whoever runs it."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__()
        self.cause = cause


async def _own_task(work: Coroutine[Any, Any, _Done], limit: float | None) -> _Done:
    """The result of a stage's call, in a task of its own: if the stage cancels that, it cancels nothing else.

    Raises what is in `UNSTOPPABLE`, `TimeoutError` after `limit` seconds, and anything else as `_RaisedError`.
    """
    task = asyncio.ensure_future(_guarded(work))
    try:
        done, _ = await asyncio.wait([task], timeout=limit)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        await asyncio.wait([task])
        raise TimeoutError
    if task.cancelled():
        raise _RaisedError(asyncio.CancelledError("the stage cancelled its own call"))
    return task.result()


async def _guarded(work: Coroutine[Any, Any, _Done]) -> _Done:
    try:
        return await work
    except (*UNSTOPPABLE, TimeoutError):
        raise
    except BaseException as error:
        raise _RaisedError(error) from error
