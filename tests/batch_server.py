"""A real server on this machine with OpenAI's files and batches, which does well or badly on order."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chat_server import completion

Line = dict[str, Any]
Answering = Callable[[Line, int], Line | None]
"""What comes of one call of a batch, by how many calls came before: a line of the output, or nothing."""


def answers(line: Line, text: str = '{"word": "yes"}', *, status: int = 200, body: Any = None, **about: Any) -> Line:
    result = body if body is not None else completion(text, request=line["body"], **about)
    response = {"status_code": status, "request_id": "x", "body": result}
    return {"id": "x", "custom_id": line["custom_id"], "response": response, "error": None}


def fault(line: Line, code: str) -> Line:
    error = {"code": code, "message": "This request could not be executed."}
    return {"id": "x", "custom_id": line["custom_id"], "response": None, "error": error}


ODD_BODIES = {"html": b"<html>", "list": b"[]", "text": b'"x"', "null": b"null", "deep": b"[" * 200_000, "none": b""}


class Batches:
    """What the server holds, and how it behaves."""

    def __init__(self) -> None:
        self.address = ""
        self.files: dict[str, bytes] = {}
        self.made: list[dict[str, Any]] = []
        self.act: Answering = lambda line, number: answers(line)
        self.status = "completed"
        self.fault: dict[str, Any] | None = None
        self.polls = 1
        """Looks at a batch before it has ended."""
        self.trouble: dict[str, list[str]] = {}
        """By 'METHOD path', what happens to its next calls: 'cut' after it was done, a status or odd body instead."""
        self.requests: list[Line] = []
        self.deliveries: list[str] = []
        self._lock = threading.Lock()

    def count(self, text: str) -> int:
        """How many calls of the endpoint there were, such as 'POST /v1/batches'."""
        return sum(text == one for one in self.deliveries)

    def upload(self, data: bytes) -> Line:
        found = re.search(rb'name="file".*?\r\n\r\n(.*?)\r\n--', data, re.DOTALL)
        assert found, "no file in what went up"
        assert b'name="purpose"\r\n\r\nbatch' in data
        return {"id": self._keep("up", found[1]), "object": "file", "bytes": 1, "created_at": 1, "filename": "x.jsonl",
                "purpose": "batch", "status": "processed"}  # fmt: skip

    def _keep(self, name: str, data: bytes) -> str:
        id = f"{name}-{len(self.files)}"
        self.files[id] = data
        return id

    def make(self, message: Line) -> Line:
        lines = [json.loads(line) for line in self.files[message["input_file_id"]].splitlines()]
        assert all(line["url"] == message["endpoint"] == "/v1/chat/completions" for line in lines)
        keys = [line["custom_id"] for line in lines]
        assert len(set(keys)) == len(keys)
        batch = {
            "id": f"batch-{len(self.made)}",
            "object": "batch",
            "endpoint": message["endpoint"],
            "input_file_id": message["input_file_id"],
            "completion_window": message["completion_window"],
            "created_at": 1,
            "status": "validating",
            "seen": 0,
            "lines": lines,
        }
        self.made.append(batch)
        return self.shown(batch)

    def shown(self, batch: Line) -> Line:
        return {name: value for name, value in batch.items() if name not in ("seen", "lines")}

    def look(self, id: str) -> Line | None:
        batch = next((one for one in self.made if one["id"] == id), None)
        if batch is None:
            return None
        batch["seen"] += 1
        if batch["status"] in ("validating", "in_progress"):
            batch["status"] = "in_progress"
            if batch["seen"] > self.polls:
                self._end(batch)
        return self.shown(batch)

    def _end(self, batch: Line) -> None:
        batch["status"] = self.status
        if self.fault:
            batch["errors"] = {"object": "list", "data": [self.fault]}
            return
        good, bad = [], []
        for line in batch["lines"]:
            answer = self.act(line, len(self.requests))
            self.requests.append(line)
            if answer:
                (bad if answer["error"] or answer["response"]["status_code"] != 200 else good).append(answer)
        for name, found in (("output_file_id", good), ("error_file_id", bad)):
            if found:
                batch[name] = self._keep(name, b"".join(json.dumps(line).encode() + b"\n" for line in found))

    def answer(self, method: str, path: str, data: bytes) -> tuple[int, bytes]:
        route, _, _ = path.partition("?")
        with self._lock:
            self.deliveries.append(f"{method} {route}")
            if (method, route) == ("POST", "/v1/files"):
                return 200, json.dumps(self.upload(data)).encode()
            if (method, route) == ("POST", "/v1/batches"):
                return 200, json.dumps(self.make(json.loads(data))).encode()
            if (method, route) == ("GET", "/v1/batches"):
                page = {"object": "list", "data": [self.shown(one) for one in reversed(self.made)], "has_more": False}
                return 200, json.dumps(page).encode()
            kind, id = route.split("/")[2:4]
            if kind == "batches" and (batch := self.look(id)):
                return 200, json.dumps(batch).encode()
            if kind == "files" and id in self.files:
                if method == "DELETE":
                    del self.files[id]
                    return 200, json.dumps({"id": id, "object": "file", "deleted": True}).encode()
                return 200, self.files[id]
        return 404, b'{"error": {"message": "no such thing"}}'

    def trouble_of(self, method: str, path: str) -> str:
        waiting = self.trouble.get(f"{method} {path.partition('?')[0]}")
        return waiting.pop(0) if waiting else ""


@contextmanager
def batching() -> Iterator[Batches]:
    batches = Batches()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            trouble = batches.trouble_of(self.command, self.path)
            if trouble in ODD_BODIES:
                status, body = 200, ODD_BODIES[trouble]
            elif trouble.isdigit():
                status, body = int(trouble), b'{"error": {"message": "not now"}}'
            else:
                status, body = batches.answer(self.command, self.path, data)
            if trouble == "cut":
                self.close_connection = True
                self.connection.shutdown(2)
                return
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_DELETE = _do  # noqa: N815 - their names are the base class's

        def log_message(self, *words: Any) -> None: ...

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *words: Any) -> None: ...

    with Quiet(("127.0.0.1", 0), Handler) as server:
        batches.address = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield batches
        finally:
            server.shutdown()
            thread.join()
