"""How fast the language client calls, what a rerun asks, and what a killed run asks twice.

    python benchmarks/language.py

A server on this machine, in a process of its own, answers each call after 50 ms. 1,000 calls, 64 at once, take at
least 16 rounds of 50 ms: that is the ideal rate. The rival is the bare `openai` client under a semaphore: no limits, no
checks, no repair, nothing kept.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import openai
from measuring import verdict
from pydantic import BaseModel, ConfigDict

from datagen.models.language.base import Draw, Question
from datagen.models.language.client import OpenAIModel
from datagen.models.language.config import OpenAIConfig
from datagen.stage import Lent

DELAY_S = 0.05
REPLY = json.dumps(
    {
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": '{"word": "x"}'}}
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }
).encode()
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(REPLY) + REPLY


class Word(BaseModel):
    model_config = ConfigDict(extra="forbid")
    word: str


class Server(asyncio.Protocol):
    """Just enough of HTTP to cost next to nothing; counts the calls."""

    def __init__(self, calls: Any) -> None:
        self._calls = calls
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            head = self._got[:end].lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            if len(self._got) < end + 4 + length:
                return
            self._got = self._got[end + 4 + length :]
            self._calls.value += 1
            asyncio.get_running_loop().call_later(DELAY_S, self._reply)

    def _reply(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(WHOLE)


def serve(pipe: Connection, calls: Any) -> None:
    async def forever() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: Server(calls), "127.0.0.1", 0, backlog=512)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(forever())


async def timed(call: Callable[[int], Awaitable[Any]], numbers: range, at_once: int) -> float:
    """Seconds for calls of these numbers, so many at once."""
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> None:
        async with gate:
            await call(number)

    start = time.perf_counter()
    await asyncio.gather(*(one(number) for number in numbers))
    return time.perf_counter() - start


async def ours(url: str, numbers: range, at_once: int, kept: str) -> float:
    """By the client, on connections that are open already, as in the middle of a run."""
    model = OpenAIModel(OpenAIConfig(model="m", base_url=url, api_key_env=""), lent=Lent(replies=kept))

    async def call(number: int) -> None:
        await model(Question("You answer.", f"question {number}"), shape=Word, draw=Draw(str(number)))

    try:
        await timed(call, range(-at_once, 0), at_once)
        return await timed(call, numbers, at_once)
    finally:
        await model.close()


async def rival(url: str, numbers: range, at_once: int) -> float:
    client = openai.AsyncOpenAI(api_key="none", base_url=url, http_client=openai.DefaultAioHttpClient())

    async def call(number: int) -> None:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": f"question {number}"}])

    try:
        await timed(call, range(-at_once, 0), at_once)
        return await timed(call, numbers, at_once)
    finally:
        await client.close()


def worker(url: str, count: int, at_once: int, kept: str) -> None:
    asyncio.run(ours(url, range(count), at_once, kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    count, at_once = arguments.calls, arguments.at_once
    spawning = multiprocessing.get_context("spawn")
    ear, mouth = spawning.Pipe()
    calls = spawning.Value("q", 0, lock=False)
    server = spawning.Process(target=serve, args=(mouth, calls), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ear.recv()}/v1"
    ideal = math.ceil(count / at_once) * DELAY_S
    print(f"{count} calls of {DELAY_S * 1000:.0f} ms, {at_once} at once, {os.cpu_count()} cores; ideal {ideal:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            tell("bare openai client", asyncio.run(rival(url, range(count), at_once)), ideal)
            tell("client", asyncio.run(ours(url, range(count), at_once, "")), ideal)
            kept = f"{folder}/{number}"
            tell("client, replies kept", asyncio.run(ours(url, range(count), at_once, kept)), ideal)
            before = calls.value
            seconds = asyncio.run(ours(url, range(count), at_once, kept))
            verdict(f"rerun: {seconds:.2f} s, calls", calls.value - before, limit=0)
        killed(spawning, url, calls, count=count, at_once=at_once, kept=f"{folder}/killed")
    server.terminate()


def tell(what: str, seconds: float, ideal: float) -> None:
    verdict(f"{what}: {seconds:.2f} s, share of the ideal rate", ideal / seconds, limit=0.9, least=True)


def killed(spawning: Any, url: str, calls: Any, *, count: int, at_once: int, kept: str) -> None:
    before = calls.value
    child = spawning.Process(target=worker, args=(url, count, at_once, kept))
    child.start()
    while calls.value - before < at_once + count // 2:
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    time.sleep(0.2)
    asyncio.run(ours(url, range(count), at_once, kept))
    repeated = calls.value - before - count - at_once
    verdict("killed midway and continued: calls repeated", repeated, limit=at_once, more=f"{at_once} in flight")


if __name__ == "__main__":
    main()
