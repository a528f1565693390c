"""The `openai` package's client of a server, with what the package leaves open: a size limit, and clean connections.

The package sends and retries nothing by itself here: limits, retries and the clock of a call are ours (`calls`).
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from contextlib import aclosing
from functools import cache, partial
from typing import Any
from weakref import WeakSet

import aiohttp
import httpx2
import openai
from aiohttp.client_proto import ResponseHandler

from datagen.core.errors import SetupError
from datagen.models.language.config import OpenAIConfig

_REST_S = 0.05
"""Seconds that a connection rests after an answer, in which surplus bytes show."""


class ReplyTooLargeError(openai.OpenAIError):
    """A server's answer is larger than allowed. The package hands on its own errors unchanged."""


def make_client(
    config: OpenAIConfig, *, largest: int, timeout_s: float | None = None, retries: int = 0
) -> openai.AsyncOpenAI:
    """A client of the config's server that reads at most `largest` bytes of an answer, as inflated.

    `timeout_s` is for each wait for bytes. Raises `SetupError` if there is no key, or if an address is none.
    """
    key = read_api_key(config)
    try:
        if not httpx2.URL(config.base_url).host:
            raise ValueError("it names no host")
        http_client = _HttpClient(
            largest,
            verify=_ssl_context(),
            proxy=config.proxy or None,
            limits=httpx2.Limits(max_connections=0),  # for aiohttp: no limit; the stage's `concurrency` is the limit
            follow_redirects=False,  # a redirect means a wrong `base_url`, see `raise_status`
        )
        options: dict[str, Any] = {
            "api_key": key,
            "organization": config.organization or None,
            "project": config.project or None,
            "default_headers": config.headers,
            "default_query": config.query,
            "timeout": timeout_s,
            "max_retries": retries,
            "http_client": http_client,
        }
        if config.azure_api_version:
            return openai.AsyncAzureOpenAI(
                azure_endpoint=config.base_url,
                azure_deployment=config.model,
                api_version=config.azure_api_version,
                **options,
            )
        return openai.AsyncOpenAI(base_url=config.base_url, **options)
    except (openai.OpenAIError, httpx2.InvalidURL, ValueError) as error:
        raise SetupError(
            f"no client can be made for {config.base_url}: {error}; see to `base_url` and `proxy`"
        ) from error


@cache
def _ssl_context() -> ssl.SSLContext:
    """One for all clients of the process: reading the certificates takes a tenth of a second."""
    return httpx2.create_ssl_context()


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


class _HttpClient(openai.DefaultAioHttpClient):
    """The package's client over aiohttp. It holds at most `largest` bytes of an answer."""

    def __init__(self, largest: int, **options: Any) -> None:
        super().__init__(**options)
        self._largest = largest

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:  # noqa: ARG002
        """The answer, read to its end. Raises `ReplyTooLargeError` as soon as it exceeds the limit."""
        try:
            return await self._read(await super().send(request, stream=True, **options))
        except (aiohttp.ClientError, OSError) as error:  # the package's transport leaves some as they are
            raise httpx2.RemoteProtocolError(str(error)) from error

    async def _read(self, response: httpx2.Response) -> httpx2.Response:
        content = bytearray()
        async with aclosing(response), aclosing(response.aiter_bytes()) as pieces:
            async for piece in pieces:  # inflated, each of a bounded size
                content += piece
                if len(content) > self._largest:
                    raise ReplyTooLargeError(f"the answer is larger than {self._largest / 1e6:g} MB")
        headers = [header for header in response.headers.raw if header[0].lower() not in _ABOUT_THE_BODY]
        headers.append((b"Content-Type", b"application/json"))  # whatever it is called, it is read as such
        return httpx2.Response(response.status_code, headers=headers, content=bytes(content), request=response.request)

    def _init_transport(self, *arguments: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return _with_clean_connections(super()._init_transport(*arguments, **options))

    def _init_proxy_transport(self, *arguments: Any, **options: Any) -> httpx2.AsyncBaseTransport:
        return _with_clean_connections(super()._init_proxy_transport(*arguments, **options))


_ABOUT_THE_BODY = (b"content-encoding", b"content-length", b"content-type", b"transfer-encoding")
"""Headers that are not true of a body that was inflated, or that name encodings of text which are none."""


def _with_clean_connections(transport: Any) -> httpx2.AsyncBaseTransport:
    """Have the package's transport open its session with our connector. It is opened on the event loop of the calls."""
    transport.client = partial(_open_session, transport)
    return transport  # type: ignore[no-any-return]


def _open_session(transport: Any) -> aiohttp.ClientSession:
    connector = _CleanConnector(limit=0, ssl=transport.ssl_context)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


class _CleanConnector(aiohttp.TCPConnector):
    """Never sends a request over a connection on which bytes wait that nobody asked for.

    aiohttp would take them for the answer to the next request. So a connection rests before it is used again, and is
    closed if anything came. An answer that comes even later cannot be told from the next one.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: WeakSet[ResponseHandler] = WeakSet()

    async def connect(self, *arguments: Any, **options: Any) -> aiohttp.connector.Connection:
        """A connection, as of `BaseConnector`, on which nothing has come since its last answer."""
        while True:
            connection = await super().connect(*arguments, **options)
            protocol = connection.protocol
            assert protocol is not None
            try:
                for _ in range(2):  # one round of the event loop finds what came, the next one reads it
                    await asyncio.sleep(0)
            except BaseException:
                connection.close()
                raise
            if protocol.is_connected() and not protocol.should_close:
                self._known.add(protocol)
                return connection
            connection.close()
            if protocol not in self._known:
                raise aiohttp.ClientConnectionError("the server sent bytes, or hung up, before it was asked")

    def _release(self, key: Any, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        release: Callable[[], None] = partial(super()._release, key, protocol, should_close=should_close)
        if should_close or protocol.should_close:
            release()
        else:
            self._loop.call_later(_REST_S, release)
