"""Calls that go up together in a file and come back within a day, by OpenAI's batch endpoint.

All calls that wait at the same time make one batch. What it asks, and its id, are kept before anyone waits for it:
whoever asks the same again after a kill waits for that batch, and nothing goes up twice.
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
from datagen.models.language.batch_notes import Note, Notes
from datagen.models.language.batch_service import ENDPOINT, Ended, Service
from datagen.models.language.batcher import Gathered
from datagen.models.language.calls import key_of_service, renamed, take_leave
from datagen.models.language.completion import (
    AgainError,
    Asked,
    OtherNameError,
    Prices,
    raise_status,
    read_completion,
    said,
    tokens_of,
    where,
)
from datagen.models.language.config import BatchConfig, OpenAIConfig
from datagen.models.language.rate_limit import Amount
from datagen.models.language.replies import Replies, Said, bytes_of
from datagen.models.language.sharing import Gate

_LARGEST = 190_000_000
"""Bytes of one file; OpenAI takes 200 MB."""


class _Open:
    """A batch that the server has; nobody looks at it before its first call is asked for."""

    def __init__(self, note: Note, end: Callable[[], asyncio.Task[Ended]], take: Gathered[str, None]) -> None:
        self.note = note
        self.take = take
        self._end = end
        self._ending: asyncio.Task[Ended] | None = None

    async def ended(self) -> Ended:
        """What it came to, once it has ended."""
        self._ending = self._ending or self._end()
        return await asyncio.shield(self._ending)


class BatchCalls:
    """Calls to one model of one server, many in a file; see `calls.Caller`."""

    def __init__(self, config: OpenAIConfig, batch: BatchConfig, gate: Gate, *, replies: Replies, address: str) -> None:
        self._config = config
        self._batch = batch
        self._gate = gate
        self._prices = Prices.of(config)
        self._replies = replies
        self._notes = Notes(address, config.base_url)
        self._service = Service(config, key_of_service(config))
        self._open: dict[str, _Open] = {}
        """By the keys whose answers nobody has taken yet."""
        self._taking_up: asyncio.Task[None] | None = None
        self._waiting: list[tuple[Asked, bytes, asyncio.Future[_Open]]] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._other_name = False

    async def close(self) -> None:
        """See `Caller`; batches go on at the server."""
        if self._timer:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._service.close()

    async def make(self, asked: Asked) -> tuple[Said, Amount]:
        """See `Caller`."""
        told = ""
        for _ in range(self._config.retries + 1):
            other_name = self._other_name
            try:
                return await self._once(asked)
            except OtherNameError as error:
                if other_name:
                    raise DataError(f"{where(self._config)} will not answer this: {error}") from error
                self._other_name = True  # learnt once; the server did nothing for it
                return await self.make(asked)
            except AgainError as error:
                told = str(error)
                await self._replies.look()
                if known := await self._replies.find(asked.key):  # another worker took it, and tidied up
                    return known, Amount()
        raise DataError(f"{where(self._config)} failed {self._config.retries + 1} times, the last time: {told}")

    async def _once(self, asked: Asked) -> tuple[Said, Amount]:
        self._taking_up = self._taking_up or self._started(self._take_up())
        await asyncio.shield(self._taking_up)
        if open := self._open.get(asked.key):
            return _raised(await self._from(open, asked))  # leave was taken when it went up
        most = self._prices.amount(*asked.guess)
        ticket, took = await take_leave(self._gate, most, self._config), most
        try:
            open = await self._joined(asked)
            answer = await self._from(open, asked)
            took = answer[1]
        except (AgainError, OtherNameError):
            took = Amount()
            raise
        finally:
            await self._gate.settle(ticket, took)
        return _raised(answer)

    async def _from(self, open: _Open, asked: Asked) -> tuple[Said | DataError, Amount]:
        """What a batch answers to one call, once it has ended; kept before it counts as taken."""
        try:
            ended = await open.ended()
        except AgainError:
            await self._taken(open, asked.key)
            raise
        try:
            found, took = self._read(ended, asked)
        except (AgainError, OtherNameError, DatagenError):
            await self._taken(open, asked.key)
            raise
        charge(tokens=took.tokens, usd=took.usd)
        if isinstance(found, Said):
            await self._replies.keep(asked.key, found)
        await self._taken(open, asked.key)
        return found, took

    def _read(self, ended: Ended, asked: Asked) -> tuple[Said | DataError, Amount]:
        if ended.why:
            raise ended.why
        line = ended.lines.get(asked.key)
        if line is None and ended.status == "cancelled":
            raise AllowanceError(
                f"{where(self._config)}: someone cancelled the batch; the same command asks what it did not answer"
            )
        if line is None:
            raise AgainError(f"its batch {ended.status} without an answer to it")
        response = line.get("response")
        if not isinstance(response, Mapping):
            raise AgainError(f"its batch says: {json.dumps(line.get('error')):.300}")
        body = json.dumps(response.get("body")).encode()
        if (status := response.get("status_code")) != 200:
            try:
                raise_status(status if isinstance(status, int) else 500, body, self._config)
            except DataError as error:
                return error, Amount()
        completion = read_completion(body)
        tokens = tokens_of(completion, asked.guess)
        took = self._prices.amount(*tokens)
        try:
            return said(completion, tokens, self._config), took
        except DataError as error:
            return error, took  # it is paid for all the same

    async def _taken(self, open: _Open, key: str) -> None:
        if self._open.pop(key, None):
            await open.take(key)

    async def _take_up(self) -> None:
        """Wait on for what was made before: by a run that was killed, or by another worker."""
        for note in await self._notes.all():
            await self._take_up_one(note)

    async def _take_up_one(self, note: Note) -> None:
        if note.file and not note.batch:
            note.batch = await self._service.find(note)
        if not note.batch and time.time() < note.since + self._config.lost_upload_s:
            return  # another worker may be about to make it
        await self._replies.look()
        known = {key for key in note.keys if await self._replies.find(key)}
        if known or not note.batch:  # without a batch, nothing of it was asked
            await self._notes.take(note, known if note.batch else set(note.keys))
        if note.batch:
            self._opened(note)

    async def _take_up_others(self, keys: set[str]) -> None:
        """Wait on for what another worker, which may be gone, sent up since."""
        ours = {open.note.name for open in self._open.values()}
        for note in await self._notes.all():
            if note.name not in ours and keys & note.keys:
                await self._take_up_one(note)

    def _opened(self, note: Note) -> _Open:
        def end() -> asyncio.Task[Ended]:
            return self._started(self._service.ended(note, every_s=self._batch.poll_s))

        open = _Open(note, end, Gathered(partial(self._take, note)))
        self._open.update(dict.fromkeys(note.keys, open))
        return open

    async def _take(self, note: Note, keys: list[str]) -> list[None]:
        await self._notes.take(note, keys)
        if not note.keys:
            await self._service.tidy(note)
        return [None] * len(keys)

    async def _joined(self, asked: Asked) -> _Open:
        """The batch that a call went up in."""
        loop = asyncio.get_running_loop()
        line = _line(asked, other_name=self._other_name)
        self._bytes += len(line)
        if self._bytes > _LARGEST:
            self._send()
            self._bytes = len(line)
        went: asyncio.Future[_Open] = loop.create_future()
        self._waiting.append((asked, line, went))
        if self._timer:
            self._timer.cancel()
        if len(self._waiting) >= self._batch.most:
            self._send()
        else:
            self._timer = loop.call_later(self._batch.gather_s, self._send)
        return await went

    def _send(self) -> None:
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if self._timer:
            self._timer.cancel()
        if waiting := [one for one in waiting if not one[2].done()]:  # as it is where whoever asked was cancelled
            self._started(self._up(waiting))

    async def _up(self, waiting: list[tuple[Asked, bytes, asyncio.Future[_Open]]]) -> None:
        """Have the server make one batch of these calls but for those that it has, every step noted before the next."""
        try:
            await self._take_up_others({asked.key for asked, _, _ in waiting})
        except Exception as error:
            _tell(waiting, error)
            return
        for asked, _, went in waiting:
            if (open := self._open.get(asked.key)) and not went.done():
                went.set_result(open)
        if waiting := [one for one in waiting if not one[2].done()]:
            await self._up_anew(waiting)

    async def _up_anew(self, waiting: list[tuple[Asked, bytes, asyncio.Future[_Open]]]) -> None:
        keys = {asked.key for asked, _, _ in waiting}
        note = Note(uuid.uuid4().hex, self._config.base_url, keys, since=time.time())
        try:
            await self._notes.write(note)
            note.file = await self._service.upload(note.name, b"".join(line for _, line, _ in waiting))
            await self._notes.write(note)
            note.batch = await self._service.make(note)
            await self._notes.write(note)
            open = self._opened(note)
        except Exception as error:
            _tell(waiting, error)
        else:
            for _, _, went in waiting:
                if not went.done():
                    went.set_result(open)

    def _started(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever waits for it, if anyone does


def _tell(waiting: list[tuple[Asked, bytes, asyncio.Future[_Open]]], error: Exception) -> None:
    for _, _, went in waiting:
        if not went.done():
            went.set_exception(error)


def _raised(answer: tuple[Said | DataError, Amount]) -> tuple[Said, Amount]:
    found, took = answer
    if isinstance(found, DataError):
        raise found
    return found, took


def _line(asked: Asked, *, other_name: bool) -> bytes:
    body = renamed(asked) if other_name else asked.data
    told = {"custom_id": asked.key, "method": "POST", "url": ENDPOINT}
    return bytes_of(told)[:-1] + b',"body":' + body + b"}\n"
