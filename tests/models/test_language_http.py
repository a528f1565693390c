"""The language client against servers that break HTTP: bytes that nobody asked for, bodies without end, odd counts."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import json
import re
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from chat_server import Act, Chat, chatting, completion, fails, says, sends
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict
from rings import example_count

from datagen.core.errors import AllowanceError, DataError, SetupError
from datagen.core.stage import Runtime
from datagen.imaging.image import Image
from datagen.models.language import calls as singly
from datagen.models.language import completion as completion_module
from datagen.models.language import http_client, rate_limit
from datagen.models.language.base import Draw, Question, Reply
from datagen.models.language.client import OpenAIModel
from datagen.models.language.completion import Completion, TokenEstimate, count_tokens
from datagen.models.language.config import OpenAIConfig
from datagen.models.language.replies import RawReply, Replies

REQUEST = Question("You repeat.", "word")
Script = Callable[[socket.socket, str], None]
"""What a server does on a connection when it was asked for a word."""


class Word(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: str


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for what it does not look at."""
    monkeypatch.setattr(singly, "_FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(rate_limit, "_AGAIN_S", 0.01)


@pytest.fixture
def chat() -> Iterator[Chat]:
    with chatting() as server:
        yield server


class RawServer:
    def __init__(self) -> None:
        self.address = ""
        self.requests: list[str] = []
        self.connections = 0


@contextmanager
def raw_server(script: Script) -> Iterator[RawServer]:
    """A server that reads calls, and writes what the script writes."""
    server = RawServer()
    ear = socket.create_server(("127.0.0.1", 0))
    server.address = f"http://127.0.0.1:{ear.getsockname()[1]}/v1"

    def talk(met: socket.socket) -> None:
        with met, met.makefile("rb") as reading, suppress(OSError, ValueError):
            while head := list(itertools.takewhile(bytes.strip, reading)):
                length = next(int(line[16:]) for line in head if line.lower().startswith(b"content-length:"))
                word = json.loads(reading.read(length))["messages"][-1]["content"]
                server.requests.append(word)
                script(met, word)

    def listen() -> None:
        with suppress(OSError):
            while True:
                met, _ = ear.accept()
                met.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server.connections += 1
                threading.Thread(target=talk, args=(met,), daemon=True).start()

    threading.Thread(target=listen, daemon=True).start()
    try:
        yield server
    finally:
        ear.shutdown(socket.SHUT_RDWR)
        ear.close()


def answer(word: str, *, zipped: bool = False, chunked: bool = False) -> bytes:
    body = json.dumps(completion(json.dumps({"word": word}))).encode()
    body = gzip.compress(body) if zipped else body
    encoding = b"Content-Encoding: gzip\r\n" if zipped else b""
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + encoding + length + b"\r\n\r\n" + body


def config_of(address: str, **options: Any) -> OpenAIConfig:
    return OpenAIConfig.model_validate({"model": "m", "base_url": address, "api_key_env": "", **options})


async def at_once() -> None: ...


def ask(
    address: str,
    *words: str,
    cache: str = "",
    between: Callable[[], Awaitable[None]] = at_once,
    image: Image | None = None,
    **options: Any,
) -> Any:
    """The replies of one client to these words, one after the other; the reply, if it is one word."""

    async def run() -> list[Reply[Word]]:
        model = OpenAIModel(config_of(address, **options), runtime=Runtime(replies=cache))
        replies = []
        try:
            for word in words:
                question = REQUEST._replace(text=word, images=(image,) if image else ())
                replies.append(await model(question, shape=Word, draw=Draw(word)))
                await between()
        finally:
            await model.close()
        return replies

    replies = asyncio.run(run())
    return replies if len(words) > 1 else replies[0]


WRONG = answer("of nobody")
SURPLUS: dict[str, list[bytes | float]] = {
    "with it": [WRONG],
    "after it": [0.0, WRONG],
    "a moment after it": [0.01, WRONG],
    "a head, later its body": [WRONG[:-30], 0.02, WRONG[-30:]],
    "half a head": [WRONG[:30], 0.02, WRONG[30:]],
    "many": [WRONG * 50],
    "chunked": [0.0, answer("of nobody", chunked=True)],
    "zipped": [0.0, answer("of nobody", zipped=True)],
    "no HTTP": [b"junk"],
}


CASES = [*itertools.product(SURPLUS, ["", "zipped"]), ("with it", "chunked"), ("after it", "chunked")]


@pytest.mark.parametrize(("surplus", "form"), CASES)
@pytest.mark.parametrize("rest", [1.0, 0.0], ids=["asked again at once", "asked again later"])
def test_surplus_bytes_are_never_an_answer(
    monkeypatch: pytest.MonkeyPatch, surplus: str, form: str, rest: float
) -> None:
    """Nor where the answer's own end comes with them."""
    monkeypatch.setattr(http_client, "_REST_S", rest)  # a busy machine may take its time to send what is surplus
    sent = threading.Semaphore(0)

    def script(met: socket.socket, word: str) -> None:
        own = answer(word, **({form: True} if form else {}))
        met.sendall(own[:-20])
        time.sleep(0.002)
        pieces = [own[-20:], *SURPLUS[surplus]]
        for is_wait, group in itertools.groupby(pieces, key=lambda piece: isinstance(piece, float)):
            parts: list[Any] = list(group)
            time.sleep(sum(parts) or 0.001) if is_wait else met.sendall(b"".join(parts))
        sent.release()

    async def until_sent() -> None:
        if not rest:
            await asyncio.to_thread(sent.acquire)

    words = [f"word {number}" for number in range(4)]
    with raw_server(script) as server:
        assert [reply.value.word for reply in ask(server.address, *words, between=until_sent)] == words
        assert set(server.requests) == {*words}, "junk may cost the answer before it, which is asked again then"
        assert server.connections == len(server.requests), "none is used again"


def test_connections_are_used_again() -> None:
    with raw_server(lambda met, word: met.sendall(answer(word))) as server:
        ask(server.address, "a", "b", "c", "d", between=lambda: asyncio.sleep(0.1))
        assert server.connections == 1


def test_bytes_that_came_before_the_call_are_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = aiohttp.TCPConnector.connect

    async def slow(*arguments: Any, **options: Any) -> Any:
        connection = await connect(*arguments, **options)
        await asyncio.sleep(0.05)
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", slow)
    ear = socket.create_server(("127.0.0.1", 0))

    def hasty() -> None:
        for _ in range(2):
            with ear.accept()[0] as met:
                met.sendall(WRONG)
                met.recv(1)

    thread = threading.Thread(target=hasty, daemon=True)
    thread.start()
    with ear, pytest.raises(DataError, match="the server sent bytes, or hung up, before it was asked"):
        ask(f"http://127.0.0.1:{ear.getsockname()[1]}/v1", "a", retries=1)
    thread.join()


def zeros(megabytes: int) -> Iterator[bytes]:
    pack = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    for _ in range(megabytes):
        yield pack.compress(bytes(1_000_000))
    yield pack.flush()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = b"".join(zeros(100))
ENDLESS: dict[str, Callable[[], Iterator[bytes]]] = {
    "a gzip bomb": lambda: iter([b"%bContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (HEAD, len(BOMB)), BOMB]),
    "a bomb in a bomb": lambda: iter(
        [
            b"%bContent-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % (HEAD, len(gzip.compress(BOMB))),
            gzip.compress(BOMB),
        ]
    ),
    "a long body": lambda: iter([b"%bContent-Length: 60000000\r\n\r\n" % HEAD, *[bytes(1_000_000)] * 60]),
    "chunks without end": lambda: itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"ffff\r\n" + b" " * 0xFFFF + b"\r\n")
    ),
    "an error without end": lambda: itertools.chain(
        [b"HTTP/1.1 400 Bad Request\r\n\r\n"], itertools.repeat(b"x" * 60_000)
    ),
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_reply_has_a_size_limit_as_inflated(kind: str) -> None:
    def script(met: socket.socket, word: str) -> None:
        for piece in ENDLESS[kind]():
            met.sendall(piece)

    with raw_server(script) as server:
        ask_once = {"retries": 1, "largest_reply_mb": 2}
        tracemalloc.start()
        try:
            with pytest.raises(DataError) as error:
                ask(server.address, "a", **ask_once)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert str(error.value).endswith(
        "failed 2 times, the last time: the answer is larger than 2 MB, its `largest_reply_mb`"
    )
    assert most < 25e6


MANY: dict[str, tuple[bytes, str]] = {
    "choices that are none": (b'{"choices": [%b[]]}' % (b"[]," * 300_000), "Input should be an object"),
    "choices": (b'{"choices": [%b{"message": {}}]}' % (b'{"message": {}},' * 60_000), "at most 128 items"),
    "words": (json.dumps(completion("x " * 64_001)).encode(), "an answer longer than `max_tokens: 500` can be"),
    "options": (
        json.dumps(completion(json.dumps(dict.fromkeys(map(str, range(9000)), 1)))).encode(),
        "1: Extra inputs are not permitted",
    ),
}


@pytest.mark.parametrize("what", MANY)
def test_an_answer_with_too_many_parts_is_told_by_the_first(chat: Chat, what: str) -> None:
    """And takes no memory for the rest."""
    body, found = MANY[what]
    chat.does(sends(body))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=re.escape(found)) as error:
            ask(chat.address, "a", retries=0, repairs=0)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 600
    assert most < 20e6


ODD_HEADERS = {
    "of no encoding": {"Set_Cookie": "a=\xff", "X": "\xe9"},
    "of no text": {"Content_Type": "text/plain; charset=base64"},
    "of another encoding": {"Content_Type": "application/json; charset=utf-16"},
}


@pytest.mark.parametrize("what", ODD_HEADERS)
@pytest.mark.parametrize("status", [200, 400])
def test_odd_headers_decide_nothing(chat: Chat, what: str, status: int) -> None:
    body = json.dumps(completion('{"word": "yes"}')) if status == 200 else '{"error": {"message": "no"}}'
    chat.does(sends(body.encode(), status=status, **ODD_HEADERS[what]))
    if status == 200:
        assert ask(chat.address, "a").value.word == "yes"
    else:
        with pytest.raises(DataError, match=r"will not answer this: status 400 no$"):
            ask(chat.address, "a")


@pytest.mark.parametrize(
    "act",
    [
        fails(400, "no\n" * 10_000),
        says("", refusal="no\n" * 10_000),
        says(" ", finish="no\n" * 10_000),
    ],
)
def test_what_a_server_says_at_length_is_cut(chat: Chat, act: Act) -> None:
    chat.does(act)
    with pytest.raises(DataError, match="no no no") as error:
        ask(chat.address, "a")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_a_reply_below_the_limit_is_taken_zipped_too() -> None:
    word = "x" * 1_500_000

    def script(met: socket.socket, request: str) -> None:
        met.sendall(answer(word, zipped=True))

    with raw_server(script) as server:
        assert ask(server.address, "a", largest_reply_mb=2, max_tokens=10_000).value.word == word


DEEP = b"[" * 200_000
NESTED: dict[str, tuple[Act, type[Exception]]] = {
    "the body": (sends(DEEP), DataError),
    "its usage": (sends(b'{"choices": [], "usage": ' + DEEP), DataError),
    "the answer": (says('{"word": ' + "[" * 200_000), DataError),
    "a passing error": (sends(DEEP, status=500), DataError),
    "a lasting error": (sends(b'{"error": ' + DEEP, status=400), DataError),
    "an error's message": (sends(b'{"error": {"message": ' + b"[" * 900 + b"]" * 900 + b"}}", status=400), DataError),
    "an error of the key": (sends(b'{"error": ' + DEEP, status=401), SetupError),
}


@pytest.mark.parametrize("place", NESTED)
def test_what_is_nested_too_deeply_is_an_error_of_one_line(chat: Chat, place: str) -> None:
    act, error = NESTED[place]
    chat.does(act)
    with pytest.raises(error) as found:
        ask(chat.address, "a", retries=1, repairs=1)
    assert "\n" not in str(found.value)
    assert len(str(found.value)) < 600


ESTIMATE = TokenEstimate(tokens_in=100, tokens_out=50, least_in=7, most_in=9000)
JSON_NUMBERS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.sampled_from([None, "", "7", [], {}, [7], {"a": 7}])
)
ODD: list[Any] = [-1, 0, 10**30, -(10**30), 10**400, float("nan"), float("inf"), True, None, "9", 7.5, [], {}]


def counted(prompt: Any, answered: Any) -> tuple[int, int]:
    body = {"choices": [{"message": {"content": "x" * 64}}]}
    found = Completion.model_validate({**body, "usage": {"prompt_tokens": prompt, "completion_tokens": answered}})
    return count_tokens(found, ESTIMATE, OpenAIConfig(model="m"))


@settings(max_examples=example_count(200))
@given(JSON_NUMBERS, JSON_NUMBERS)
@example(8.0, 9.0)
def test_a_count_of_a_servers_lies_within_what_is_possible(prompt: Any, answered: Any) -> None:
    tokens_in, tokens_out = counted(prompt, answered)
    assert (type(tokens_in), type(tokens_out)) == (int, int)
    assert 7 <= tokens_in <= 9000
    assert 4 <= tokens_out <= 256


@pytest.mark.parametrize("count", ODD, ids=str)
def test_an_impossible_count_is_the_estimate(count: Any) -> None:
    assert counted(count, count) == (100, 50)


def test_a_possible_count_is_the_servers() -> None:
    assert counted(7, 4) == (7, 4)
    assert counted(9000.0, 200) == (9000, 200)
    for usage in (None, [], "x", 7, {}):
        body = {"choices": [], "usage": usage}
        assert count_tokens(Completion.model_validate(body), ESTIMATE, OpenAIConfig(model="m")) == (100, 50)


def test_impossible_counts_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    completion_module._warn_of_counts.cache_clear()
    counted(8, 9)
    assert not caplog.records
    for _ in range(3):
        counted(-1, 9)
    assert [record.getMessage() for record in caplog.records] == [
        "m at https://api.openai.com/v1 counts tokens that a call cannot have taken; where it does, the estimate counts"
    ]


def counting(count: str) -> Act:
    body = json.dumps(completion('{"word": "yes"}')).replace('_tokens": 10', f'_tokens": {count}')
    return sends(body.replace('_tokens": 5', f'_tokens": {count}').encode())


@pytest.mark.parametrize("count", ["-1000000000", "0", "NaN", "1e400", "true", '"x"', "9" * 31])
def test_no_count_switches_a_budget_off_nor_uses_it_up(chat: Chat, count: str) -> None:
    chat.does(counting(count))
    words = [str(number) for number in range(40)]
    with pytest.raises(AllowanceError) as error:
        ask(chat.address, *words, budget_tokens=3000, max_tokens=50)
    assert 3 <= len(chat.requests) < 40
    assert "of `budget_tokens: 3,000` are used" in str(error.value)


def test_a_stored_count_that_is_impossible_costs_no_later_call(chat: Chat, tmp_path: Path) -> None:
    """Of a reply that an earlier version stored."""
    image = Image.of(np.zeros((32, 32, 3), np.uint8))
    ask(chat.address, "a", cache=str(tmp_path), image=image)

    (log,) = (path for path in tmp_path.rglob("*") if path.is_file())
    key = log.read_bytes()[8:40].hex()
    poison = RawReply('{"word": "yes"}', 10**30, 5, cut=False)
    asyncio.run(Replies(str(tmp_path)).keep(key, poison))
    replies = ask(chat.address, "a", "b", cache=str(tmp_path), image=image, budget_tokens=5000)
    assert [reply.tokens for reply in replies] == [0, 15]


def test_replies_of_earlier_versions_are_found(chat: Chat, tmp_path: Path) -> None:
    """The key is a hash of the call's bytes: it stays, or everything would be asked and paid for anew."""
    ask(chat.address, "a", cache=str(tmp_path))
    (log,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert bytes.fromhex("a12b15f8810fa1b40d18f0a819f6be6b44e6dc3755c66fef2e91e4686f281fdc") in log.read_bytes()
    assert b'{"text":"{\\"word\\": \\"yes\\"}","tokens_in":10,"tokens_out":5,"cut":false}' in log.read_bytes()


def test_what_a_service_wants_beside_is_sent(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_PROJECT_ID", "ours")
    options = {"organization": "org-1", "headers": {"X-Team": "vision"}, "query": {"tier": "low"}}
    ask(chat.address, "a", **options, parameters={"reasoning_effort": "low", "seed": 7})
    sent = chat.headers[0]
    assert (sent["openai-organization"], sent["openai-project"], sent["x-team"]) == ("org-1", "ours", "vision")
    assert chat.paths == ["/v1/chat/completions?tier=low"]
    assert (chat.requests[0]["reasoning_effort"], chat.requests[0]["seed"]) == ("low", 7)


def test_azure_is_asked_by_its_deployment(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE", "abc-def")
    chat.does(says({"word": "yes"}))
    options = {"api_key_env": "AZURE", "azure_api_version": "2024-10-21"}
    ask(chat.address.removesuffix("/v1"), "a", **options)
    assert chat.paths == ["/openai/deployments/m/chat/completions?api-version=2024-10-21"]
    assert chat.headers[0]["api-key"] == "abc-def"
    with pytest.raises(ValueError, match="azure_api_version needs base_url, such as https://my-resource"):
        OpenAIConfig(model="m", azure_api_version="2024-10-21")


@pytest.mark.parametrize("by", ["the config", "the environment"])
def test_calls_go_through_a_proxy(chat: Chat, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    proxy = chat.address.removesuffix("/v1")
    options = {"proxy": proxy} if by == "the config" else {}
    for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    if not options:
        monkeypatch.setenv("HTTP_PROXY", proxy)
    assert ask("http://service.invalid/v1", "a", **options).value.word == "yes"
    assert chat.paths == ["http://service.invalid/v1/chat/completions"]


def test_further_parameters_ask_anew_and_none_of_ours_are_taken(chat: Chat, tmp_path: Path) -> None:
    for parameters in ({}, {"seed": 7}, {"seed": 8}, {"seed": 7}, {}):
        ask(chat.address, "a", cache=str(tmp_path), parameters=parameters)
    assert len(chat.requests) == 3
    plain, seeded = (config_of(chat.address, parameters=parameters) for parameters in ({}, {"seed": 7}))
    assert (plain.revision, seeded.revision[: len(plain.revision) + 1]) == ("openai@1:m", "openai@1:m+")
    for name in ("stream", "model", "max_tokens"):
        with pytest.raises(ValueError, match=f"`{name}` is not among the further parameters"):
            config_of(chat.address, parameters={name: 1})


@pytest.mark.parametrize(
    "options", [{"headers": {"a\nb": "c"}}, {"headers": {"a": "b\r\nc: d"}}, {"proxy": "socks5://x"}]
)
def test_what_is_no_header_or_proxy_is_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="should match pattern"):
        OpenAIConfig(model="m", **options)


@pytest.mark.parametrize("address", ["http://[::1/v1", "http://:80/v1"])
def test_an_address_that_is_none_ends_the_run(address: str) -> None:
    with pytest.raises(SetupError, match="no client can be made for http"):
        ask(address, "a")


def test_a_server_that_speaks_no_http_is_told() -> None:
    with (
        raw_server(lambda met, word: met.sendall(b"SSH-2.0-OpenSSH_9\r\n\r\n")) as server,
        pytest.raises(DataError, match=r"failed 1 times, the last time: the connection failed: 400, message:"),
    ):
        ask(server.address, "a", retries=0)
