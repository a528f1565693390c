"""A real server on this machine that speaks OpenAI's chat completions, well or badly."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Request = dict[str, Any]
Act = Callable[[BaseHTTPRequestHandler], None]


def completion(
    text: str | None, *, request: Request | None = None, finish: str = "stop", refusal: str | None = None
) -> Request:
    """An answer to `asked`, which counts its tokens; a short question has 10."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    prompt_tokens = max(10, len(words_of(request)) // 8) if request else 10
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": 5, "total_tokens": prompt_tokens + 5},
    }


def sends(body: bytes, *, status: int = 200, length: int | None = None, **headers: str) -> Act:
    """An answer; with a `length` longer than it is, the connection is cut before its end."""

    def act(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        values = {"Content-Type": "application/json", "Content-Length": str(length or len(body)), **headers}
        for name, value in values.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = length is not None or handler.close_connection

    return act


def says(answer: Any, **about: Any) -> Act:
    """A reply; what is no text is told as JSON."""
    text = answer if isinstance(answer, str) else json.dumps(answer)

    def act(handler: BaseHTTPRequestHandler) -> None:
        result = completion(text, request=handler.requests, **about)  # type: ignore[attr-defined]
        handler.chat.counted += result["usage"]["total_tokens"]  # type: ignore[attr-defined]
        sends(json.dumps(result).encode())(handler)

    return act


def fails(status: int, message: str = "not now", *, code: str | None = None, **headers: str) -> Act:
    body = {"error": {"message": message, "type": "error", "code": code, "param": None}}
    return sends(json.dumps(body).encode(), status=status, **headers)


def hangs(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.server.stopping.wait(20)  # type: ignore[attr-defined]


def cuts(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(2)


class Chat:
    """What the server does, by what it is asked and how often it was asked before, and what it was asked."""

    def __init__(self) -> None:
        self.address = ""
        self.act: Callable[[Request, int], Act] = lambda request, number: says({"word": "yes"})
        self.requests: list[Request] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.times: list[float] = []
        self.at_once = 0
        self.most_at_once = 0
        self.delay = 0.0
        self.counted = 0
        """Tokens of all answers of `says`."""
        self._lock = threading.Lock()

    def does(self, *acts: Act) -> None:
        """One after another, the last one for ever."""
        self.act = lambda request, number: acts[min(number, len(acts) - 1)]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        requests = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        handler.requests, handler.chat = requests, self  # type: ignore[attr-defined]
        with self._lock:
            number = len(self.requests)
            self.requests.append(requests)
            self.paths.append(handler.path)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.times.append(time.monotonic())
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            time.sleep(self.delay)
            self.act(requests, number)(handler)
        finally:
            with self._lock:
                self.at_once -= 1


def words_of(request: Request) -> str:
    """All text of a call."""
    return "\n".join(
        part if isinstance(part, str) else part.get("text", "")
        for message in request["messages"]
        for part in _parts(message["content"])
    )


def _parts(content: Any) -> Sequence[Any]:
    return [content] if isinstance(content, str) else content


@contextmanager
def chatting() -> Iterator[Chat]:
    chat = Chat()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            if self.path.partition("?")[0].endswith("/chat/completions"):
                chat.answer(self)
            else:
                self.send_error(404)

        def log_message(self, *words: Any) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256
        stopping = threading.Event()

        def handle_error(self, *words: Any) -> None: ...

    with Quiet(("127.0.0.1", 0), Handler) as server:
        server.stopping = threading.Event()
        chat.address = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield chat
        finally:
            server.stopping.set()
            server.shutdown()
            thread.join()
