"""One call to a server that speaks OpenAI's chat completions, repeated where it failed in passing.

The calls go out by aiohttp, the `openai` package's own fast transport, and not through that package: what it does
around each call costs a core more than a millisecond, three times the call itself (benchmarks/language.py).
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
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.rate_limit import Amount, Wish
from datagen.models.language.replies import Said, bytes_of
from datagen.models.language.sharing import Gate, leave

_FIRST_WAIT_S = 0.5
"""Before the first repetition; twice as long before each further one."""
_LONGEST_WAIT_S = 30.0
"""Where the server does not say how long."""


class Caller(Protocol):
    """Has calls answered, one way or another."""

    async def make(self, asked: Asked) -> tuple[Said, Amount]:
        """The reply, and what it took, which is charged.

        Raises `DataError`, `AllowanceError` or `SetupError`, see `LanguageModel`.
        """
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class _Answer(NamedTuple):
    status: int
    raw: bytes
    wait: float


class _Patience:
    """How long one call has waited for a server that took none at all meanwhile."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.pauses = 0
        self._answered = 0

    def pause(self, asked_for: float, *, answered: int) -> float:
        """Seconds to wait now, which are counted; `answered` is how many calls the server took so far."""
        if answered != self._answered:
            self.waited, self.pauses, self._answered = 0.0, 0, answered
        pause = asked_for or _growing(self.pauses)
        self.waited += pause
        self.pauses += 1
        return pause


def _growing(before: int) -> float:
    """Seconds of a pause that nobody asked for, after so many others."""
    return min(_FIRST_WAIT_S * 2.0 ** min(before, 10), _LONGEST_WAIT_S) * random.uniform(0.75, 1)


class Calls:
    """Calls to one model of one server, each at once; see `Caller`."""

    def __init__(self, config: OpenAIConfig, gate: Gate) -> None:
        self._config = config
        self._gate = gate
        self._prices = Prices.of(config)
        self._url = f"{config.base_url.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {key_of_service(config)}", "Content-Type": "application/json"}
        self._proxy = _proxy(self._url)
        self._session: aiohttp.ClientSession | None = None
        self._other_name = False
        self._answered = 0
        """Calls that the server took, by which waiting for it begins anew."""

    async def close(self) -> None:
        """See `Caller`."""
        if self._session:
            await self._session.close()

    async def make(self, asked: Asked) -> tuple[Said, Amount]:
        """See `Caller`."""
        most = self._prices.amount(*asked.guess)
        attempt, patience = 0, _Patience()
        while True:
            other_name = self._other_name
            try:
                return await self._once(asked, most, other_name=other_name)
            except OtherNameError as error:
                if other_name:
                    raise DataError(f"{where(self._config)} will not answer this: {error}") from error
                self._other_name = True  # learnt once; the server did nothing for it
                return await self.make(asked)
            except AgainError as error:
                if error.busy:
                    await self._wait_for_room(error, patience)
                    continue
                attempt += 1
                if attempt > self._config.retries:
                    raise DataError(f"{where(self._config)} failed {attempt} times, the last time: {error}") from error
                await asyncio.sleep(_growing(attempt - 1))

    async def _wait_for_room(self, error: AgainError, patience: _Patience) -> None:
        """Let a server that takes no more have its pause; no attempt of the call is used up by that.

        Raises `AllowanceError` if it asks for a long one, or took no call of this worker's in so many pauses.
        """
        longest = self._config.longest_wait_s
        if error.wait > longest:
            raise AllowanceError(
                f"{where(self._config)} wants to be left alone for {error.wait:.0f} s ({error}), longer than "
                f"`longest_wait_s: {longest:g}`; the same command goes on from here then"
            ) from error
        pause = patience.pause(error.wait, answered=self._answered)
        if patience.waited > longest:
            raise AllowanceError(
                f"{where(self._config)} took no call in {patience.pauses} pauses, {patience.waited:.0f} s together, "
                f"longer than `longest_wait_s: {longest:g}`, the last time: {error}; the same command goes on from here"
            ) from error
        if error.wait:
            await self._gate.hold(error.wait)  # for all workers; the next leave waits it out
        else:
            await asyncio.sleep(pause)

    async def _once(self, asked: Asked, most: Amount, *, other_name: bool) -> tuple[Said, Amount]:
        ticket = await take_leave(self._gate, most, self._config)
        took = most  # what never came back may be paid for, and so may what cannot be read
        try:
            answer = await self._posted(renamed(asked) if other_name else asked.data)
            if answer.status != 200:
                took = Amount()
                raise_status(answer.status, answer.raw, self._config, wait=answer.wait)
            self._answered += 1
            completion = read_completion(answer.raw)
            tokens = tokens_of(completion, asked.guess)
            took = self._prices.amount(*tokens)
            charge(tokens=took.tokens, usd=took.usd)
            return said(completion, tokens, self._config), took
        except TimeoutError as error:
            raise AgainError(f"no answer within {self._config.timeout_s:g} s, its `timeout_s`") from error
        except (aiohttp.ClientError, OSError) as error:
            took = Amount() if isinstance(error, aiohttp.ClientConnectorError) else most
            raise AgainError(f"the connection failed: {error or type(error).__name__}") from error
        finally:
            await self._gate.settle(ticket, took)

    async def _posted(self, data: bytes) -> _Answer:
        if self._session is None:  # made here, on the loop that it belongs to
            connector = aiohttp.TCPConnector(limit=0)  # how many at once is the stage's `concurrency`
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        async with (
            asyncio.timeout(self._config.timeout_s),  # one clock for the whole call
            self._session.post(self._url, data=data, proxy=self._proxy, allow_redirects=False) as response,
        ):
            wait = response.headers.get("Retry-After")
            return _Answer(response.status, await response.read(), retry_after_seconds(wait) if wait else 0.0)


def renamed(asked: Asked) -> bytes:
    """A call's body for models that call `max_tokens` by the other name."""
    body = {"max_completion_tokens" if name == "max_tokens" else name: value for name, value in asked.body.items()}
    return bytes_of(body)


async def take_leave(gate: Gate, most: Amount, config: OpenAIConfig) -> int:
    """Wait until a call may be made; its ticket. Raises `AllowanceError` that names model and remedy."""
    try:
        return await leave(gate, Wish(most, config.lost_after_s), again_s=config.batch.poll_s if config.batch else 0)
    except AllowanceError as error:
        raise AllowanceError(
            f"{where(config)}: {error}; what is done is kept, and the same command goes on, with as much again"
        ) from error


def key_of_service(config: OpenAIConfig) -> str:
    """The key, or something in its place for servers that want none. Raises `SetupError`."""
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
    """The proxy that the environment names for this address."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    return urllib.request.getproxies().get(parts.scheme)
