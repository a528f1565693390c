"""Calls to a server with OpenAI's chat completions API, with retries.

The calls use aiohttp, which is also the fast transport of the `openai` package, and not that package: what it does
around each call takes more than a millisecond of a core, three times the call itself (benchmarks/language.py).
"""

from __future__ import annotations

import asyncio
import os
import random
import urllib.request
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import aiohttp

from datagen.core.errors import AllowanceError, DataError, SetupError
from datagen.core.stage import charge
from datagen.fetch.web import retry_after_seconds
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
from datagen.models.language.config import OpenAIConfig
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


class _HttpAnswer(NamedTuple):
    status: int
    raw: bytes
    wait: float


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
        self._url = f"{config.base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {read_api_key(config)}", "Content-Type": "application/json"}
        self._proxy = _proxy(self._url)
        self._session: aiohttp.ClientSession | None = None
        self._uses_other_name = False
        self._answered = 0
        """How many calls the server answered; see `_PauseCounter`."""

    async def close(self) -> None:
        """See `Caller`."""
        if self._session:
            await self._session.close()

    async def make(self, request: ChatRequest) -> tuple[RawReply, Usage]:
        """See `Caller`."""
        most = self._prices.amount(*request.guess)
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
                f"{endpoint(self._config)} took no call in {pauses.count} pauses, {pauses.waited:.0f} s together, "
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
            answer = await self._post(rename_max_tokens(request) if other_name else request.data)
            if answer.status != 200:
                took = Usage()
                raise_status(answer.status, answer.raw, self._config, wait=answer.wait)
            self._answered += 1
            completion = read_completion(answer.raw)
            tokens = count_tokens(completion, request.guess)
            took = self._prices.amount(*tokens)
            charge(tokens=took.tokens, usd=took.usd)
            return read_reply(completion, tokens, self._config), took
        except TimeoutError as error:
            raise RetryableError(f"no answer within {self._config.timeout_s:g} s, its `timeout_s`") from error
        except (aiohttp.ClientError, OSError) as error:
            took = Usage() if isinstance(error, aiohttp.ClientConnectorError) else most
            raise RetryableError(f"the connection failed: {error or type(error).__name__}") from error
        finally:
            await self._gate.settle(ticket, took)

    async def _post(self, data: bytes) -> _HttpAnswer:
        if self._session is None:  # made here, as a session belongs to the running event loop
            connector = aiohttp.TCPConnector(limit=0)  # the stage's `concurrency` limits how many are open
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        async with (
            asyncio.timeout(self._config.timeout_s),  # one clock for the whole call
            # a redirect means a wrong `base_url`, see `raise_status`
            self._session.post(self._url, data=data, proxy=self._proxy, allow_redirects=False) as response,
        ):
            wait = response.headers.get("Retry-After")
            return _HttpAnswer(response.status, await response.read(), retry_after_seconds(wait) if wait else 0.0)


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


def read_api_key(config: OpenAIConfig) -> str:
    """The API key from the environment, or a stand-in for servers without one. Raises `SetupError`."""
    if not config.api_key_env:
        return "none"
    key = os.environ.get(config.api_key_env, "").strip()
    if not key:
        raise SetupError(
            f"the environment variable {config.api_key_env} is not set; put the key of {config.base_url} into it, "
            "or set `api_key_env: ''` for a server that wants none"
        )
    if not key.isascii() or len(key.split()) > 1:
        raise SetupError(f"what the environment variable {config.api_key_env} holds is no key: a key is one word")
    return key


def _proxy(url: str) -> str | None:
    """The proxy for this URL from the environment, or None."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
