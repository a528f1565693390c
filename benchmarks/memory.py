"""What a process and all its descendants take: summed PSS, and shared memory counted once.

    python benchmarks/memory.py PID [--seconds 60]      # watch a process tree that runs already

Other benchmarks use `Sampler`. Once a second it reads `/proc/*/smaps_rollup` of
the whole tree (for Ray: driver, raylet, gcs_server, dashboard, agents, workers).
Pages of Ray's object store are left out of the PSS and counted as the bytes that
its files in /dev/shm really hold, as no process need have them mapped.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

STORE = "object store"


class Sample(NamedTuple):
    """One look at a process tree, in bytes."""

    at: float
    by_kind: dict[str, int]
    """By what a process is, such as `raylet`; `object store` is shared memory."""

    @property
    def total(self) -> int:
        return sum(self.by_kind.values())

    def text(self) -> str:
        parts = sorted(self.by_kind.items(), key=lambda item: -item[1])
        return ", ".join(f"{kind} {size / 2**20:.0f}" for kind, size in parts if size >= 2**20)


class Sampler:
    """Looks at the tree of `pid` in a thread, until it is stopped."""

    def __init__(self, pid: int, *, interval: float = 1.0) -> None:
        self.samples: list[Sample] = []
        self.seen: dict[int, str] = {pid: _began(pid)}
        """Every process that ever belonged to the tree, with its start time, as a pid may be used again."""
        self.cpu: dict[int, tuple[str, float]] = {}
        """What each process is, and the seconds of CPU that it took."""
        self.driver_peak = 0
        """VmHWM of `pid` itself, in bytes."""
        self._pid = pid
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def peak(self) -> Sample:
        """The look that found most."""
        return max(self.samples, key=lambda sample: sample.total, default=Sample(0.0, {}))

    def cpu_told(self) -> str:
        """Seconds of CPU by kind of process, up to the last look."""
        seconds: Counter[str] = Counter()
        for kind, value in self.cpu.values():
            seconds[kind.removesuffix(".run")] += value
        return ", ".join(f"{kind} {value:.1f}" for kind, value in seconds.most_common() if value >= 0.05)

    def alive(self) -> list[int]:
        """Processes of the tree that still run."""
        return [pid for pid, began in self.seen.items() if began and _began(pid) == began]

    def _watch(self) -> None:
        while not self._stop.is_set():
            self.look()
            until = time.monotonic() + self._interval
            while time.monotonic() < until and not self._stop.wait(0.1):
                self.driver_peak = max(self.driver_peak, _status(self._pid, "VmHWM:"))

    def look(self) -> None:
        """Take one sample."""
        self.seen.update((pid, _began(pid)) for pid in _descendants(self.alive()) if pid not in self.seen)
        sizes: Counter[str] = Counter()
        shared: dict[tuple[int, int], int] = {}
        for pid in self.alive():
            with suppress(OSError):
                kind = _kind(pid, root=self._pid)
                before = self.cpu.get(pid, (kind,))[0]
                self.cpu[pid] = (before if kind == "gone" else kind, _cpu(pid))
                sizes[kind] += _private(pid)
                if kind in ("driver", "raylet"):  # one of which holds each file of the object store
                    shared.update(_shared_files(pid))
        sizes[STORE] = sum(shared.values())
        self.samples.append(Sample(time.time(), dict(sizes)))


def _began(pid: int) -> str:
    """When a process started, in ticks; '' if it is gone or a zombie."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] == "Z" else fields[19]
    return ""


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _descendants(roots: list[int]) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(name))
    waiting = list(roots)
    while waiting:
        for child in children.get(waiting.pop(), []):
            yield child
            waiting.append(child)


def _private(pid: int) -> int:
    """PSS without shared memory, in bytes."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name] = int(size)
    return 1024 * (sizes["Pss:"] - sizes.get("Pss_Shmem:", 0))


def _shared_files(pid: int) -> Iterator[tuple[tuple[int, int], int]]:
    """Bytes that open files in /dev/shm hold, also those already unlinked, by device and inode."""
    folder = f"/proc/{pid}/fd"
    for name in os.listdir(folder):
        with suppress(OSError):
            if os.readlink(f"{folder}/{name}").startswith("/dev/shm/"):
                found = os.stat(f"{folder}/{name}")
                yield (found.st_dev, found.st_ino), found.st_blocks * 512


def _status(pid: int, key: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1]) * 1024
    return 0


def _kind(pid: int, *, root: int) -> str:
    if pid == root:
        return "driver"
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ").split()
    title = " ".join(words)
    if title.startswith("ray::"):
        return f"worker {words[0][5:]}"
    for sign in ("gcs_server", "dashboard_agent", "runtime_env", "dashboard", "log_monitor", "monitor.py", "raylet"):
        if sign in title.split("--")[0]:
            return sign
    return Path(words[0]).name if words else "gone"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pid", type=int)
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    with Sampler(arguments.pid) as sampler:
        time.sleep(arguments.seconds)
    print(f"peak {sampler.peak.total / 2**20:.0f} MiB: {sampler.peak.text()}")


if __name__ == "__main__":
    main()
