"""A service that stages call: it takes its time, always says the same, and remembers who asked."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

GRACE_SECONDS = 1.0
"""An answer sent so shortly before its client died may not have been kept: its call was still in flight there."""


@dataclass
class Call:
    """One question."""

    id: str
    client: int
    answered: float | None = None


@dataclass
class Judge:
    """What the service knows."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    deaths: dict[int, float] = field(default_factory=dict)
    """When each client was seen to be gone."""

    def requests(self) -> Counter[str]:
        """How often each record was asked about."""
        return Counter(call.id for call in self.calls)

    def in_flight_at_deaths(self) -> Counter[str]:
        """How often each record's call was in flight when its client died."""
        return Counter(call.id for call in self.calls if self._was_in_flight(call))

    def _was_in_flight(self, call: Call) -> bool:
        died = self.deaths.get(call.client)
        if died is None:
            return False
        return call.answered is None or call.answered > died - GRACE_SECONDS

    def repeated(self) -> int:
        """Calls beyond one a record."""
        return sum(number - 1 for number in self.requests().values())

    def faults(self) -> list[str]:
        """Records that were asked about again without need."""
        lost = self.in_flight_at_deaths()
        return [
            f"{id} was asked {number} times, in flight at {lost[id]} deaths"
            for id, number in self.requests().items()
            if number - 1 > lost[id]
        ]

    def forget(self) -> None:
        """Begin to count anew."""
        self.calls.clear()
        self.deaths.clear()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and only waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class _PatientServer(ThreadingHTTPServer):
    request_queue_size = 256  # all that ask at once may wait, however slow the machine


@contextmanager
def judge() -> Iterator[Judge]:
    """A judge behind a free port of this machine."""
    state = Judge()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests = parse_qs(urlsplit(self.path).query)
            call = Call(requests["id"][0], int(requests["pid"][0]))
            state.calls.append(call)
            drawn = hashlib.sha256(call.id.encode()).digest()
            time.sleep(0.05 + 0.05 * drawn[0] / 255)
            verdict = "refused" if drawn[1] < 25 else "yes" if drawn[1] < 128 else "no"
            try:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps({"verdict": verdict}).encode())
            except OSError:
                return  # nobody is there any more to hear it
            call.answered = time.monotonic()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with _PatientServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        state.port = server.server_port
        ended = threading.Event()
        threads = [
            threading.Thread(target=server.serve_forever, daemon=True),
            threading.Thread(target=_watch, args=(state, ended), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield state
        finally:
            ended.set()
            server.shutdown()
            for thread in threads:
                thread.join()


def _watch(state: Judge, ended: threading.Event) -> None:
    while not ended.wait(0.02):
        for pid in {call.client for call in [*state.calls]} - state.deaths.keys():
            if not is_alive(pid):
                state.deaths[pid] = time.monotonic()
