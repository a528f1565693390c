"""Calls through OpenAI's batch endpoint: many calls are uploaded in one file and answered within a day.

All calls that wait at the same time form one batch. The keys of its calls and its id are stored before anyone waits for
it. So after a kill, the same call waits for that batch, and nothing is uploaded twice.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from datagen.core.errors import AllowanceError, DataError, DatagenError
from datagen.core.stage import charge
from datagen.models.language.batch_service import ENDPOINT, BatchService, EndedBatch
from datagen.models.language.batch_state import BatchState, BatchStateStore
from datagen.models.language.batcher import Batcher
from datagen.models.language.calls import acquire_ticket, rename_max_tokens
from datagen.models.language.completion import (
    ChatRequest,
    MaxTokensNameError,
    Prices,
    RetryableError,
    count_tokens,
    endpoint,
    raise_status,
    read_completion,
    read_reply,
)
from datagen.models.language.config import BatchConfig, OpenAIConfig
from datagen.models.language.rate_limit import Usage
from datagen.models.language.replies import RawReply, Replies, json_bytes
from datagen.models.language.sharing import Gate

_LARGEST = 190_000_000
"""Most bytes of one file; OpenAI accepts 200 MB."""


class _OpenBatch:
    """A batch that the server has. It is not polled before one of its calls is asked for."""

    def __init__(
        self, state: BatchState, end: Callable[[], asyncio.Task[EndedBatch]], take: Batcher[str, None]
    ) -> None:
        self.state = state
        self.take = take
        self._end = end
        self._ending: asyncio.Task[EndedBatch] | None = None

    async def ended(self) -> EndedBatch:
        """Wait for its end; its result."""
        self._ending = self._ending or self._end()
        return await asyncio.shield(self._ending)


class BatchCalls:
    """Calls to one model on one server, many in a file; see `calls.Caller`."""

    def __init__(self, config: OpenAIConfig, batch: BatchConfig, gate: Gate, *, replies: Replies, address: str) -> None:
        self._config = config
        self._batch = batch
        self._gate = gate
        self._prices = Prices.of(config)
        self._replies = replies
        self._states = BatchStateStore(address, config.base_url)
        self._service = BatchService(config)
        self._open: dict[str, _OpenBatch] = {}
        """Open batches, by the keys of the calls whose answers were not collected yet."""
        self._resuming: asyncio.Task[None] | None = None
        self._waiting: list[tuple[ChatRequest, bytes, asyncio.Future[_OpenBatch]]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._uses_other_name = False

    async def close(self) -> None:
        """See `Caller`; the server continues its batches."""
        if self._timer:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._service.close()

    async def make(self, request: ChatRequest) -> tuple[RawReply, Usage]:
        """See `Caller`."""
        fault = ""
        for _ in range(self._config.retries + 1):
            other_name = self._uses_other_name
            try:
                return await self._attempt(request)
            except MaxTokensNameError as error:
                if other_name:
                    raise DataError(f"{endpoint(self._config)} will not answer this: {error}") from error
                self._uses_other_name = True  # found out once a process; the server did not count the call
                return await self.make(request)
            except RetryableError as error:
                fault = str(error)
                await self._replies.refresh()
                if known := await self._replies.find(request.key):  # another worker collected it, and removed the batch
                    return known, Usage()
        raise DataError(f"{endpoint(self._config)} failed {self._config.retries + 1} times, the last time: {fault}")

    async def _attempt(self, request: ChatRequest) -> tuple[RawReply, Usage]:
        self._resuming = self._resuming or self._spawn(self._resume_all())
        await asyncio.shield(self._resuming)
        if open := self._open.get(request.key):
            return _unwrap(await self._collect(open, request))  # its permit was taken when it was uploaded
        most = self._prices.amount(*request.estimate[:2])
        ticket, took = await acquire_ticket(self._gate, most, self._config), most
        try:
            open = await self._enqueue(request)
            answer = await self._collect(open, request)
            took = answer[1]
        except (RetryableError, MaxTokensNameError):
            took = Usage()
            raise
        finally:
            await self._gate.settle(ticket, took)
        return _unwrap(answer)

    async def _collect(self, open: _OpenBatch, request: ChatRequest) -> tuple[RawReply | DataError, Usage]:
        """The answer of a batch to one call, once it has ended. It is stored before it counts as collected."""
        try:
            ended = await open.ended()
        except RetryableError:
            await self._release(open, request.key)
            raise
        try:
            found, took = self._read(ended, request)
        except (RetryableError, MaxTokensNameError, DatagenError):
            await self._release(open, request.key)
            raise
        charge(tokens=took.tokens, usd=took.usd)
        if isinstance(found, RawReply):
            await self._replies.keep(request.key, found)
        await self._release(open, request.key)
        return found, took

    def _read(self, ended: EndedBatch, request: ChatRequest) -> tuple[RawReply | DataError, Usage]:
        if ended.why:
            raise ended.why
        line = ended.lines.get(request.key)
        if line is None and ended.status == "cancelled":
            raise AllowanceError(
                f"{endpoint(self._config)}: someone cancelled the batch; the same command asks what it did not answer"
            )
        if line is None:
            raise RetryableError(f"its batch {ended.status} without an answer to it")
        response = line.get("response")
        if not isinstance(response, Mapping):
            raise RetryableError(f"its batch says: {json.dumps(line.get('error')):.300}")
        body = response.get("body")
        if (status := response.get("status_code")) != 200:
            try:
                raise_status(status if isinstance(status, int) else 500, body, self._config)
            except DataError as error:
                return error, Usage()
        completion = read_completion(body)
        tokens = count_tokens(completion, request.estimate, self._config)
        took = self._prices.amount(*tokens)
        try:
            return read_reply(completion, tokens, self._config), took
        except DataError as error:
            return error, took  # an empty choice costs tokens too

    async def _release(self, open: _OpenBatch, key: str) -> None:
        if self._open.pop(key, None):
            await open.take(key)

    async def _resume_all(self) -> None:
        """Resume the batches of a run that was killed, and those of other workers."""
        for state in await self._states.all():
            await self._resume(state)

    async def _resume(self, state: BatchState) -> None:
        if state.file and not state.batch:
            state.batch = await self._service.find(state)
        if not state.batch and abs(time.time() - state.since) < self._config.lost_upload_s:
            return  # another worker may be creating it now; a clock that was put back makes it no younger
        await self._replies.refresh()
        known = {key for key in state.keys if await self._replies.find(key)}
        if known or not state.batch:  # without a batch, the server got none of its calls
            await self._states.take(state, known if state.batch else set(state.keys))
        if state.batch:
            self._register(state)

    async def _resume_others(self, keys: set[str]) -> None:
        """Resume batches with these calls that another worker, which may be dead, created since."""
        ours = {open.state.name for open in self._open.values()}
        for state in await self._states.all():
            if state.name not in ours and keys & state.keys:
                await self._resume(state)

    def _register(self, state: BatchState) -> _OpenBatch:
        def end() -> asyncio.Task[EndedBatch]:
            return self._spawn(self._service.ended(state, every_s=self._batch.poll_s))

        open = _OpenBatch(state, end, Batcher(partial(self._drop_keys, state)))
        self._open.update(dict.fromkeys(state.keys, open))
        return open

    async def _drop_keys(self, state: BatchState, keys: list[str]) -> list[None]:
        await self._states.take(state, keys)
        if not state.keys:
            await self._service.tidy(state)
        return [None] * len(keys)

    async def _enqueue(self, request: ChatRequest) -> _OpenBatch:
        """Put a call into the next upload; the batch that it became part of."""
        loop = asyncio.get_running_loop()
        line = _batch_line(request, other_name=self._uses_other_name)
        self._bytes += len(line)
        if self._bytes > _LARGEST:
            self._flush()
            self._bytes = len(line)
        submitted: asyncio.Future[_OpenBatch] = loop.create_future()
        self._waiting.append((request, line, submitted))
        if self._timer:
            self._timer.cancel()
        if len(self._waiting) >= self._batch.most:
            self._flush()
        else:
            self._timer = loop.call_later(self._batch.gather_s, self._flush)
        return await submitted

    def _flush(self) -> None:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if self._timer:
            self._timer.cancel()
        if waiting := [one for one in waiting if not one[2].done()]:  # done if its caller was cancelled
            self._spawn(self._submit(waiting))

    async def _submit(self, waiting: list[tuple[ChatRequest, bytes, asyncio.Future[_OpenBatch]]]) -> None:
        """Create one batch of these calls, without those that an open batch has.

        Each step is stored before the next one, so that a kill between them loses no upload.
        """
        try:
            await self._resume_others({request.key for request, _, _ in waiting})
        except Exception as error:
            _fail_all(waiting, error)
            return
        for request, _, submitted in waiting:
            if (open := self._open.get(request.key)) and not submitted.done():
                submitted.set_result(open)
        if waiting := [one for one in waiting if not one[2].done()]:
            await self._submit_new(waiting)

    async def _submit_new(self, waiting: list[tuple[ChatRequest, bytes, asyncio.Future[_OpenBatch]]]) -> None:
        keys = {request.key for request, _, _ in waiting}
        state = BatchState(uuid.uuid4().hex, self._config.base_url, keys, since=time.time())
        try:
            await self._states.write(state)
            state.file = await self._service.upload(state.name, b"".join(line for _, line, _ in waiting))
            await self._states.write(state)
            state.batch = await self._service.make(state)
            await self._states.write(state)
            open = self._register(state)
        except Exception as error:
            _fail_all(waiting, error)
        else:
            for _, _, submitted in waiting:
                if not submitted.done():
                    submitted.set_result(open)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # mark it as retrieved: whoever waits for the task gets it, if anyone does


def _fail_all(waiting: list[tuple[ChatRequest, bytes, asyncio.Future[_OpenBatch]]], error: Exception) -> None:
    for _, _, submitted in waiting:
        if not submitted.done():
            submitted.set_exception(error)


def _unwrap(answer: tuple[RawReply | DataError, Usage]) -> tuple[RawReply, Usage]:
    found, took = answer
    if isinstance(found, DataError):
        raise found
    return found, took


def _batch_line(request: ChatRequest, *, other_name: bool) -> bytes:
    body = rename_max_tokens(request) if other_name else request.data
    line = {"custom_id": request.key, "method": "POST", "url": ENDPOINT}
    return json_bytes(line)[:-1] + b',"body":' + body + b"}\n"
