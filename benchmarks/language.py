"""How fast the language client calls, what a rerun asks, and what a killed run asks twice.

    python benchmarks/language.py

A server on this machine, in a process of its own, answers each call after 0.5 to 1.5 s. 1,000 calls are made, 64 at
once, by one worker: by our client, with its limits, checks and stored replies, and by the bare `openai` client under a
semaphore, in turns, so that both meet the same load of the machine. The figure is the median of the pairs' ratios.

Then a whole run of a pipeline asks as much, on both engines. Beside each rate stand the milliseconds of processor time
that a call cost the client and the server.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import heapq
import json
import multiprocessing
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import openai
from measuring import datagen as measured
from measuring import verdict, write_config, write_rows
from pydantic import BaseModel, ConfigDict

from datagen.core.stage import Runtime
from datagen.models.language.base import Draw, Question
from datagen.models.language.client import OpenAIModel
from datagen.models.language.config import OpenAIConfig

SHORTEST_S, LONGEST_S = 0.5, 1.5
IDEAL_S = (SHORTEST_S + LONGEST_S) / 2
"""Mean time of a call."""
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
        self._due: list[tuple[float, int, socket.socket]] = []

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
            # evenly spread, and in the same order for all: multiples of the golden ratio
            delay = SHORTEST_S + (LONGEST_S - SHORTEST_S) * (self._calls.value * 0.6180339887 % 1)
            heapq.heappush(self._due, (time.perf_counter() + delay, self._calls.value, one))
        self._got[one] = got

    def _reply(self) -> None:
        while self._due and self._due[0][0] <= time.perf_counter():
            _, _, one = heapq.heappop(self._due)
            with suppress(OSError):  # whoever asked is gone
                one.send(WHOLE)
            self._took.value, self._span[1] = time.process_time(), time.perf_counter()


def serve(pipe: Connection, calls: Any, took: Any, span: Any) -> None:
    server = Server(calls, took, span)
    pipe.send(server.port)
    server.run()


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


async def ours(url: str, numbers: range, at_once: int, cache: str) -> Took:
    """By the client, on connections that are open already, as in the middle of a run."""
    model = OpenAIModel(OpenAIConfig(model="m", base_url=url, api_key_env=""), runtime=Runtime(replies=cache))

    async def call(number: int) -> None:
        await model(Question("You answer.", f"question {number}"), shape=Word, draw=Draw(str(number)))

    try:
        await timed(call, range(-at_once, 0), at_once)
        return await timed(call, numbers, at_once)
    finally:
        await model.close()


async def rival(url: str, numbers: range, at_once: int) -> Took:
    """By the bare package, likewise."""
    client = openai.AsyncOpenAI(api_key="none", base_url=url, http_client=openai.DefaultAioHttpClient())

    async def call(number: int) -> None:
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": f"question {number}"}])

    try:
        await timed(call, range(-at_once, 0), at_once)
        return await timed(call, numbers, at_once)
    finally:
        await client.close()


def worker(url: str, count: int, at_once: int, cache: str) -> None:
    asyncio.run(ours(url, range(count), at_once, cache))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--pairs", type=int, default=5)
    arguments = parser.parse_args()
    count, at_once = arguments.calls, arguments.at_once
    spawning = multiprocessing.get_context("spawn")
    ear, mouth = spawning.Pipe()
    calls, took = spawning.Value("q", 0, lock=False), spawning.Value("d", 0.0, lock=False)
    span = spawning.Array("d", 2, lock=False)
    server = spawning.Process(target=serve, args=(mouth, calls, took, span), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ear.recv()}/v1"
    ideal = count * IDEAL_S / at_once
    print(
        f"{count} calls of {SHORTEST_S:g} to {LONGEST_S:g} s, {at_once} at once, {os.cpu_count()} cores, "
        f"load {os.getloadavg()[0]:.1f} before"
    )

    def print_figures(what: str, run: Coroutine[Any, Any, Took]) -> float:
        gc.collect()  # or the garbage of one would be collected in another's time
        before = took.value
        found = asyncio.run(run)
        each = found.cpu / count * 1000, (took.value - before) / (count + at_once) * 1000
        print(
            f"{what}: {found.seconds:.2f} s, {ideal / found.seconds:.3f} of the ideal rate; "
            f"{each[0]:.2f} ms of a core a call, the server's {each[1]:.2f}; load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        return found.seconds

    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.pairs):
            details = f"{folder}/{number}"
            bare = ("bare openai client", rival, ())
            client = ("client, replies kept", ours, (details,))
            seconds = {
                what: print_figures(what, call(url, range(count), at_once, *more))
                for what, call, more in ((bare, client), (client, bare))[number % 2]  # neither is always the first
            }
            ratios.append(seconds[bare[0]] / seconds[client[0]])
            print(f"pair {number + 1}: the client's rate is {ratios[-1]:.3f} of the bare client's", flush=True)
        before = calls.value
        print_figures("rerun", ours(url, range(count), at_once, f"{folder}/0"))
        verdict("rerun: calls", calls.value - before, limit=0)
        for engine, limits in (("local", {}), ("ray", {}), ("ray", {"budget_tokens": 10**9})):
            costs = whole(engine, url, span, Path(folder), count=count, at_once=at_once, limits=limits)
            what = f"a whole run, --engine {engine}{', with a budget' if limits else ''}"
            print(f"{what}: {costs:.2f} s, {ideal / costs:.3f} of the ideal rate", flush=True)
        killed(spawning, url, calls, count=count, at_once=at_once, cache=f"{folder}/killed")
    verdict("median of the client's rate over the bare client's", median(ratios), limit=0.97, least=True)
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


def killed(spawning: Any, url: str, calls: Any, *, count: int, at_once: int, cache: str) -> None:
    before = calls.value
    child = spawning.Process(target=worker, args=(url, count, at_once, cache))
    child.start()
    while calls.value - before < at_once + count // 2:
        time.sleep(0.001)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    time.sleep(0.2)
    asyncio.run(ours(url, range(count), at_once, cache))
    repeated = calls.value - before - count - at_once
    verdict("killed midway and continued: calls repeated", repeated, limit=at_once, more=f"{at_once} in flight")


if __name__ == "__main__":
    main()
