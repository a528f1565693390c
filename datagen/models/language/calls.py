"""Calls to a server with OpenAI's chat completions API through the `openai` package, with retries."""

from __future__ import annotations

import asyncio
import random
from typing import Protocol

import httpx2
import openai

from datagen.core.errors import AllowanceError, DataError
from datagen.core.stage import charge
from datagen.models.language.completion import (
    ChatRequest,
    MaxTokensNameError,
    Prices,
    RetryableError,
    count_tokens,
    endpoint,
    raise_error,
    read_completion,
    read_reply,
    short,
)
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.http_client import ReplyTooLargeError, make_client
from datagen.models.language.rate_limit import PermitRequest, Usage
from datagen.models.language.replies import RawReply, json_bytes
from datagen.models.language.sharing import Gate, acquire

_FIRST_WAIT_S = 0.5
"""Seconds before the first retry; twice as long before each further one."""
_LONGEST_WAIT_S = 30.0
"""Longest such wait, in seconds, if the server does not say how long."""


class Caller(Protocol):
    """Makes calls: each at once, or many in a batch."""

    async def make(self, request: ChatRequest) -> tuple[RawReply, Usage]:
        """The reply, and its tokens and cost, which are charged to the record.

        Raises `DataError`, `AllowanceError` or `SetupError`, see `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class _PauseCounter:
    """Counts the pauses of one call while the server answers no call at all."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.count = 0
        self._answered = 0

    def next(self, asked_for: float, *, answered: int) -> float:
        """Seconds to wait now. The count restarts if `answered`, the number of calls answered so far, has changed."""
        if answered != self._answered:
            self.waited, self.count, self._answered = 0.0, 0, answered
        pause = asked_for or _backoff_s(self.count)
        self.waited += pause
        self.count += 1
        return pause


def _backoff_s(before: int) -> float:
    """Seconds to wait after so many earlier waits, with jitter, so that workers do not retry at the same time."""
    return min(_FIRST_WAIT_S * 2.0 ** min(before, 10), _LONGEST_WAIT_S) * random.uniform(0.75, 1)


class Calls:
    """Calls to one model on one server, each sent at once; see `Caller`."""

    def __init__(self, config: OpenAIConfig, gate: Gate) -> None:
        self._config = config
        self._gate = gate
        self._prices = Prices.of(config)
        self._client = make_client(config, largest=round(config.largest_reply_mb * 1e6))
        self._uses_other_name = False
        self._answered = 0
        """How many calls the server answered; see `_PauseCounter`."""

    async def close(self) -> None:
        """See `Caller`."""
        await self._client.close()

    async def make(self, request: ChatRequest) -> tuple[RawReply, Usage]:
        """See `Caller`."""
        most = self._prices.amount(*request.estimate[:2])
        attempt, pauses = 0, _PauseCounter()
        while True:
            other_name = self._uses_other_name
            try:
                return await self._attempt(request, most, other_name=other_name)
            except MaxTokensNameError as error:
                if other_name:
                    raise DataError(f"{endpoint(self._config)} will not answer this: {error}") from error
                self._uses_other_name = True  # found out once a process; the server did not count the call
                return await self.make(request)
            except RetryableError as error:
                if error.busy:
                    await self._wait_for_room(error, pauses)
                    continue
                attempt += 1
                if attempt > self._config.retries:
                    raise DataError(
                        f"{endpoint(self._config)} failed {attempt} times, the last time: {error}"
                    ) from error
                await asyncio.sleep(_backoff_s(attempt - 1))

    async def _wait_for_room(self, error: RetryableError, pauses: _PauseCounter) -> None:
        """Pause for a server that takes no calls now; this uses up no attempt of the call.

        Raises `AllowanceError` if it requests a pause longer than `longest_wait_s`, or if it answers no call of this
        worker in pauses that are longer together.
        """
        longest = self._config.longest_wait_s
        if error.wait > longest:
            raise AllowanceError(
                f"{endpoint(self._config)} wants to be left alone for {error.wait:.0f} s ({error}), longer than "
                f"`longest_wait_s: {longest:g}`; the same command goes on from here then"
            ) from error
        pause = pauses.next(error.wait, answered=self._answered)
        if pauses.waited > longest:
            raise AllowanceError(
                f"{endpoint(self._config)} took no call in {pauses.count} pauses, {pauses.waited:.3g} s together, "
                f"longer than `longest_wait_s: {longest:g}`, the last time: {error}; the same command goes on from here"
            ) from error
        if error.wait:
            await self._gate.hold(error.wait)  # for all workers: the next permit waits until its end
        else:
            await asyncio.sleep(pause)

    async def _attempt(self, request: ChatRequest, most: Usage, *, other_name: bool) -> tuple[RawReply, Usage]:
        ticket = await acquire_ticket(self._gate, most, self._config)
        took = most  # a call without a readable answer may cost money too
        try:
            raw = await self._post(rename_max_tokens(request) if other_name else request.data)
            self._answered += 1
            completion = read_completion(raw)
            tokens = count_tokens(completion, request.estimate, self._config)
            took = self._prices.amount(*tokens)
            charge(tokens=took.tokens, usd=took.usd)
            return read_reply(completion, tokens, self._config), took
        except openai.APIStatusError as error:
            took = Usage()
            raise_error(error, self._config)
        except TimeoutError as error:
            raise RetryableError(f"no answer within {self._config.timeout_s:g} s, its `timeout_s`") from error
        except ReplyTooLargeError as error:
            raise RetryableError(f"{error}, its `largest_reply_mb`") from error
        except openai.APIConnectionError as error:
            took = Usage() if isinstance(error.__cause__, httpx2.ConnectError) else most
            raise RetryableError(f"the connection failed: {_root_cause(error)}") from error
        finally:
            await self._gate.settle(ticket, took)

    async def _post(self, data: bytes) -> bytes:
        """The body of a call's answer. Raises errors of the package."""
        async with asyncio.timeout(self._config.timeout_s):  # one clock for the whole call
            # as bytes, not by `chat.completions.create`: what is sent is exactly what the reply's key is a hash of
            answer = await self._client.post("/chat/completions", cast_to=httpx2.Response, content=data)
        return answer.content


def _root_cause(error: BaseException) -> str:
    """The words of the error at the bottom; those above it, of the packages, only say that there was one."""
    while error.__cause__:
        error = error.__cause__
    return short(str(error)) or type(error).__name__


def rename_max_tokens(request: ChatRequest) -> bytes:
    """The body of a call for models that call `max_tokens` `max_completion_tokens`."""
    body = {"max_completion_tokens" if name == "max_tokens" else name: value for name, value in request.body.items()}
    return json_bytes(body)


async def acquire_ticket(gate: Gate, most: Usage, config: OpenAIConfig) -> int:
    """Wait until a call may be made; its ticket. Raises `AllowanceError` with the model and the remedy."""
    try:
        return await acquire(
            gate, PermitRequest(most, config.lost_after_s), again_s=config.batch.poll_s if config.batch else 0
        )
    except AllowanceError as error:
        raise AllowanceError(
            f"{endpoint(config)}: {error}; what is done is kept, and the same command goes on, with as much again"
        ) from error
