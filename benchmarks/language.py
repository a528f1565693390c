"""How fast the language client calls, what a rerun asks, and what a killed run asks twice.

    python benchmarks/language.py

A server on this machine, in a process of its own, answers each call after 50 ms. 1,000 calls, 64 at once, take at
least 16 rounds of 50 ms: that is the ideal rate. Rivals are the bare `openai` client under a semaphore (no limits, no
checks, no repair, nothing kept), and aiohttp alone, which is the least that a call can cost here.

Then a whole run of a pipeline asks as much, on both engines.

Beside each share stand the milliseconds of processor time that a call cost the client and the server. They hold on a
machine that is busy with other things, as the shares do not: those need both cores for themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import multiprocessing
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aiohttp
import openai
from measuring import datagen as measured
from measuring import verdict, write_config, write_rows
from pydantic import BaseModel, ConfigDict

from datagen.core.stage import Runtime
from datagen.execute.workers.fair_event_loop import new_loop
from datagen.models.language.base import Draw, Question
from datagen.models.language.client import OpenAIModel
from datagen.models.language.config import OpenAIConfig

Done = TypeVar("Done")

DELAY_S = 0.05
_AT_ONCE = 8
"""Calls that the server hears before it looks whether an answer is due."""
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


class Server:
    """Just enough of HTTP to cost next to nothing; counts the calls.

    It waits by `select`, which is true to a microsecond, for what `epoll` finds: asyncio's timers come up to a
    millisecond late, and `select` over all connections costs as much as a call; both would be taken for the client's.
    """

    def __init__(self, calls: Any, took: Any, span: Any) -> None:
        self._calls = calls
        self._took = took
        self._span = span
        took.value = time.process_time()
        self._ear = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._ear.getsockname()[1]
        self._poll = select.epoll()
        self._poll.register(self._ear, select.EPOLLIN)
        self._met: dict[int, socket.socket] = {}
        self._got: dict[socket.socket, bytes] = {}
        self._due: deque[tuple[float, socket.socket]] = deque()

    def run(self) -> None:
        while True:
            wait = max(0.0, self._due[0][0] - time.perf_counter()) if self._due else None
            select.select([self._poll], [], [], wait)
            for number, _ in self._poll.poll(0, _AT_ONCE):
                if number == self._ear.fileno():
                    self._meet()
                else:
                    self._hear(self._met[number])
            self._reply()

    def _meet(self) -> None:
        met, _ = self._ear.accept()
        met.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got[met] = b""
        self._met[met.fileno()] = met
        self._poll.register(met, select.EPOLLIN)

    def _hear(self, one: socket.socket) -> None:
        try:
            data = one.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(one)
            del self._got[one], self._met[one.fileno()]
            one.close()
            return
        got = self._got[one] + data
        while (end := got.find(b"\r\n\r\n")) >= 0:
            length = int(got[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(got) < end + 4 + length:
                break
            got = got[end + 4 + length :]
            self._calls.value += 1
            self._span[0] = self._span[0] or time.perf_counter()
            self._due.append((time.perf_counter() + DELAY_S, one))
        self._got[one] = got

    def _reply(self) -> None:
        while self._due and self._due[0][0] <= time.perf_counter():
            _, one = self._due.popleft()
            with suppress(OSError):  # whoever asked is gone
                one.send(WHOLE)
            self._took.value, self._span[1] = time.process_time(), time.perf_counter()


def serve(pipe: Connection, calls: Any, took: Any, span: Any) -> None:
    server = Server(calls, took, span)
    pipe.send(server.port)
    server.run()


def done(run: Coroutine[Any, Any, Done]) -> Done:
    """What it comes to, on a loop as stages have."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(run)


class Took(NamedTuple):
    seconds: float
    cpu: float
    """Seconds of a core, of this process."""


async def timed(call: Callable[[int], Awaitable[Any]], numbers: range, at_once: int) -> Took:
    """What calls of these numbers take, so many at once."""
    left = iter(numbers)

    async def calling() -> None:
        for number in left:
            await call(number)

    start, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(calling() for _ in range(at_once)))
    return Took(time.perf_counter() - start, time.process_time() - cpu)


async def ours(url: str, numbers: range, at_once: int, kept: str) -> Took:
    """By the client, on connections that are open already, as in the middle of a run."""
    model = OpenAIModel(OpenAIConfig(model="m", base_url=url, api_key_env=""), runtime=Runtime(replies=kept))

    async def call(number: int) -> None:
        await model(Question("You answer.", f"question {number}"), shape=Word, draw=Draw(str(number)))

    try:
        await timed(call, range(-at_once, 0), at_once)
        return await timed(call, numbers, at_once)
    finally:
        await model.close()


async def transport(url: str, numbers: range, at_once: int) -> Took:
    """By aiohttp alone."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call(number: int) -> None:
            body = json.dumps({"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]})
            headers = {"Content-Type": "application/json"}
            async with session.post(f"{url}/chat/completions", data=body.encode(), headers=headers) as response:
                await response.read()

        await timed(call, range(-at_once, 0), at_once)
        return await timed(call, numbers, at_once)


async def rival(url: str, numbers: range, at_once: int) -> Took:
    client = openai.AsyncOpenAI(api_key="none", base_url=url, http_client=openai.DefaultAioHttpClient())

    async def call(number: int) -> None:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": f"question {number}"}])

    try:
        await timed(call, range(-at_once, 0), at_once)
        return await timed(call, numbers, at_once)
    finally:
        await client.close()


def worker(url: str, count: int, at_once: int, kept: str) -> None:
    done(ours(url, range(count), at_once, kept))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    count, at_once = arguments.calls, arguments.at_once
    spawning = multiprocessing.get_context("spawn")
    ear, mouth = spawning.Pipe()
    calls, took = spawning.Value("q", 0, lock=False), spawning.Value("d", 0.0, lock=False)
    span = spawning.Array("d", 2, lock=False)
    server = spawning.Process(target=serve, args=(mouth, calls, took, span), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ear.recv()}/v1"
    ideal = math.ceil(count / at_once) * DELAY_S
    busy = os.getloadavg()[0]
    print(
        f"{count} calls of {DELAY_S * 1000:.0f} ms, {at_once} at once, {os.cpu_count()} cores, load {busy:.1f} before"
    )

    shares: dict[str, list[float]] = {}

    def tell(what: str, run: Coroutine[Any, Any, Took]) -> None:
        gc.collect()  # or the garbage of one would be collected in another's time, 80 ms at once
        before = took.value
        found = done(run)
        each = found.cpu / count * 1000, (took.value - before) / (count + at_once) * 1000
        shares.setdefault(what, []).append(ideal / found.seconds)
        print(
            f"{what}: {found.seconds:.2f} s, {each[0]:.2f} ms of a core a call, the server's {each[1]:.2f}; "
            f"share of the ideal {shares[what][-1]:.2f}"
        )

    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            tell("aiohttp alone", transport(url, range(count), at_once))
            tell("bare openai client", rival(url, range(count), at_once))
            tell("client", ours(url, range(count), at_once, ""))
            kept = f"{folder}/{number}"
            tell("client, replies kept", ours(url, range(count), at_once, kept))
            before = calls.value
            seconds = done(ours(url, range(count), at_once, kept)).seconds
            verdict(f"rerun: {seconds:.2f} s, calls", calls.value - before, limit=0)
            for engine, limits in (("local", {}), ("ray", {}), ("ray", {"budget_tokens": 10**9})):
                seconds = whole(engine, url, span, Path(folder), count=count, at_once=at_once, limits=limits)
                what = f"a whole run, --engine {engine}{', with a budget' if limits else ''}"
                shares.setdefault(what, []).append(ideal / seconds)
                print(f"{what}: {seconds:.2f} s; share of the ideal {ideal / seconds:.2f}")
        killed(spawning, url, calls, count=count, at_once=at_once, kept=f"{folder}/killed")
        for what, found in shares.items():
            told = f"{what}: median share of the ideal"
            if what.startswith("client"):
                verdict(told, median(found), limit=0.9, least=True)
            else:
                print(f"{told}: {median(found):.3f}")
    server.terminate()


def whole(
    engine: str, url: str, span: Any, folder: Path, *, count: int, at_once: int, limits: Mapping[str, int]
) -> float:
    """Seconds of a whole run whose answers are kept and noted, from the first call that is heard to the last reply."""
    span[:] = 0, 0
    model = {"kind": "openai", "model": "m", "base_url": url, "api_key_env": "", **limits}
    resources = {"concurrency": at_once, "replicas": {"max": 1}}
    stages = [{"use": "decode_dot"}, {"use": "ask_model", "with": {"model": model}, "resources": resources}]
    rows = write_rows(folder / "rows.jsonl", count)
    config = write_config(folder / "whole.yaml", rows, stages, slice_size=count)
    measured(config, folder / "out", "--engine", engine)
    shutil.rmtree(folder / "out")
    return span[1] - span[0]


def killed(spawning: Any, url: str, calls: Any, *, count: int, at_once: int, kept: str) -> None:
    before = calls.value
    child = spawning.Process(target=worker, args=(url, count, at_once, kept))
    child.start()
    while calls.value - before < at_once + count // 2:
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    time.sleep(0.2)
    done(ours(url, range(count), at_once, kept))
    repeated = calls.value - before - count - at_once
    verdict("killed midway and continued: calls repeated", repeated, limit=at_once, more=f"{at_once} in flight")


if __name__ == "__main__":
    main()
