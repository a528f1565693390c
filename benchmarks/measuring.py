"""What the benchmarks share: runs of datagen and of rivals as whole processes, timed from outside.

Start-up is the time from a process' start to its first committed slice, found by
looking at OUT/run/ledger; steady is what lies between that and the last one. So
nothing here depends on how the engine works inside.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from memory import Sample, Sampler

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = "benchmarks.stages_for_figures"
TIMEOUT = 3600.0
"""Seconds after which a command is taken to hang."""
_NOT_SLICES = ("pack", "compact")


class Watched(NamedTuple):
    """A command that ended."""

    seconds: float
    peak: Sample
    driver_peak: int
    cpu: str
    output: str


class Outcome(NamedTuple):
    """One whole process, in seconds and bytes."""

    seconds: float
    startup: float
    """To the first committed slice."""
    steady: float
    """From the first to the last committed slice."""
    commits: int
    peak: Sample
    driver_peak: int
    cpu: str
    """Seconds of CPU by kind of process."""
    output: str

    @property
    def rest(self) -> float:
        """All that came after start-up, to the end of the process."""
        return self.seconds - self.startup


class Commits:
    """Watches OUT/run/ledger, and keeps when each slice was entered."""

    def __init__(self, out: Path, *, interval: float = 0.1) -> None:
        self.times: dict[str, float] = {}
        self._folder = out / "run" / "ledger"
        self._interval = interval
        self._known = set(self._entries())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Commits:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            begun = time.monotonic()
            self._look()
            if time.monotonic() - begun > self._interval / 5:
                self._interval *= 2  # many slices: looking must not cost what is measured

    def _entries(self) -> Iterator[str]:
        with suppress(OSError):
            for run in os.scandir(self._folder):
                if run.is_dir():
                    yield from (entry.path for entry in os.scandir(run.path) if entry.name.endswith(".parquet"))

    def _look(self) -> None:
        for path in self._entries():
            if path not in self._known and not Path(path).name.startswith(_NOT_SLICES):
                self._known.add(path)
                with suppress(OSError):
                    self.times[path] = os.stat(path).st_mtime


def datagen(config: Path, out: Path, *more: str, interval: float = 1.0) -> Outcome:
    """A whole `datagen run`, watched from outside."""
    command = [sys.executable, "-m", "datagen", "run", str(config), "--out", str(out), "--no-report", *more]
    with Commits(out) as commits:
        begun = time.time()
        done = watched(command, interval=interval)
    times = sorted(commits.times.values())
    first, last = (times[0], times[-1]) if times else (begun + done.seconds, begun + done.seconds)
    return Outcome(done.seconds, first - begun, last - first, len(times), *done[1:])


def rival(command: Sequence[str], *, interval: float = 1.0) -> tuple[Outcome, dict[str, Any]]:
    """A rival's script, which tells `first`, `last` (clock times) and `slices` as JSON on its last line."""
    begun = time.time()
    done = watched([sys.executable, *command], interval=interval)
    found = json.loads(done.output.strip().splitlines()[-1])
    startup, steady = found["first"] - begun, found["last"] - found["first"]
    return Outcome(done.seconds, startup, steady, found["slices"], *done[1:]), found


def options_of(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The options that a plain rival (plain.py) takes over from its benchmark."""
    return ("--slice", str(arguments.slice), "--processes", str(arguments.processes))


def against_plain(config: Path, out: Path, command: Sequence[str], *, interval: float) -> tuple[Outcome, Outcome]:
    """One run of ours into `out` and one of a plain rival, looked at every `interval` seconds; a line for each."""
    ours = datagen(config, out, interval=interval)
    theirs, found = rival(command, interval=interval)
    accepted = re.findall(r"^\s*([\d,]+) accepted$", ours.output, re.MULTILINE)
    samples = (accepted[-1] if accepted else "?", found["accepted"])
    for name, one, made in zip(("datagen", "plain"), (ours, theirs), samples, strict=True):
        print(
            f"  {name:<8} {one.seconds:7.1f} s: start-up {one.startup:5.1f}, steady {one.steady:6.1f}, then "
            f"{one.rest - one.steady:5.1f}; {one.commits} slices, {made} samples, {one.peak.total / 1e6:.0f} MB\n"
            f"           CPU seconds: {one.cpu}",
            flush=True,
        )
    return ours, theirs


def watched(command: Sequence[str], *, interval: float = 1.0) -> Watched:
    """Run a command, which has to succeed, and look at it from outside."""
    with tempfile.TemporaryFile("w+") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            with Sampler(process.pid, interval=interval) as sampler:
                code = process.wait(TIMEOUT)
            seconds = time.perf_counter() - begun
        finally:
            _end(process, sampler)
        log.seek(0)
        output = log.read()
    if code not in (0, 3):
        sys.exit(f"{' '.join(command)} ended with {code}:\n{output[-4000:]}")
    return Watched(seconds, sampler.peak, sampler.driver_peak, sampler.cpu_told(), output)


def _end(process: subprocess.Popen[bytes], sampler: Sampler) -> None:
    """Stop what is left of a process tree of ours."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    deadline = time.monotonic() + 10
    while sampler.alive() and time.monotonic() < deadline:
        time.sleep(0.1)
    for pid in sampler.alive():
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(5)


def environment() -> dict[str, str]:
    """Of every process: this tree's datagen, one thread a library."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    folder = Path(tempfile.mkdtemp(prefix="datagen-figures-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_rows(path: Path, number: int, **fields: Any) -> Path:
    """A manifest of `number` rows whose pictures no stage opens."""
    with path.open("w", encoding="utf-8") as file:
        for index in range(number):
            row = {"id": f"r{index:07d}", "uri": f"nowhere/{index:07d}.png", "caption": f"picture {index}", **fields}
            file.write(json.dumps(row) + "\n")
    return path


def write_config(path: Path, manifest: Path, stages: Sequence[Mapping[str, Any]], **keys: Any) -> Path:
    """A pipeline of the toy stages of this folder."""
    data = {
        "pipeline": "figures",
        "plugins": [PLUGIN],
        "source": {"kind": "manifest", "path": str(manifest)},
        "stages": list(stages),
        **keys,
    }
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def subject_add(path: Path, manifest: Path, **keys: Any) -> Path:
    """configs/subject_add.yaml over another manifest."""
    data = yaml.safe_load((ROOT / "configs" / "subject_add.yaml").read_text(encoding="utf-8"))
    data["source"]["path"] = str(manifest)
    path.write_text(yaml.safe_dump({**data, **keys}, sort_keys=False), encoding="utf-8")
    return path


def verdict(name: str, value: float, *, limit: float, least: bool = False, unit: str = "", more: str = "") -> bool:
    """One clear line: what was measured, and how it stands to its limit."""
    reached = value >= limit if least else value <= limit
    sign = ">=" if least else "<="
    details = f"{name}: {value:.3f}{unit} ({sign} {limit:g}{unit}) {'reached' if reached else 'NOT REACHED'}"
    print(f"{details}; {more}" if more else details, flush=True)
    return reached
