"""Kills what belongs to a run at random moments, and runs the same command again until it has ended well."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from building import PAINT, dataset_bytes, ledger_rows, plain_rows, toy_config
from judge import Judge, is_alive

from datagen.execute.maintain.verify import verify

Victim = Literal["driver", "actor", "raylet"]
VICTIMS: tuple[Victim, ...] = ("driver", "actor", "raylet")

MARK = "DATAGEN_CHAOS"
"""Stands in the environment of every process of one run, so that no other is ever touched."""
ROOT = Path(__file__).resolve().parent.parent
QUICK_TO_NOTICE = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "4",
}
"""Has Ray find out within seconds, not half a minute, that a raylet is dead."""
_NO_ACTORS = ("IDLE", "DashboardAgent", "RuntimeEnvAgent")
_LONGEST = 120.0
"""Seconds that a run may take to end after its raylet is gone, or in all."""


def chaos_config(folder: Path, *, rows: int, port: int) -> Path:
    """Expand, a judge behind HTTP, a slow cached stage on one route, filters, Combine."""
    stages: list[Any] = [
        {"use": "sift", "with": {"share": 0.2}},
        {"use": "fan_out", "with": {"most": 3}},
        {"use": "inquire", "with": {"port": port}, "resources": {"concurrency": 2}},
        {"use": "ponder", "when": {"verdict": "yes"}, "durable": True},
        {"use": "blow_up"},
        {"use": "gather"},
        PAINT,
    ]
    manifest = plain_rows(rows)
    manifest[rows // 2]["caption"] = "bomb"
    return toy_config(folder, stages, rows=manifest, slice_size=6)


@dataclass
class Run:
    """One `python -m datagen run`, in a session of its own."""

    process: subprocess.Popen[str]
    mark: str
    log: Path

    @classmethod
    def begin(
        cls,
        config: Path,
        out: Path,
        *,
        words: tuple[str, ...] = (),
        log: Path | None = None,
        module: str = "datagen",
        **variables: str,
    ) -> Run:
        """Start it; its log lies beside OUT, if not said otherwise. `module` is what is run."""
        mark = uuid.uuid4().hex
        log = log or out.with_name(f"{out.name}.log")
        surroundings = {
            **os.environ,
            MARK: mark,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
            "RAY_USAGE_STATS_ENABLED": "0",
            **variables,
        }
        with log.open("a") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", module, "run", str(config), "--out", str(out), *words],
                cwd=config.parent,
                env=surroundings,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        return cls(process, mark, log)

    @property
    def ended(self) -> bool:
        """Whether the driver has."""
        return self.process.poll() is not None

    def processes(self) -> dict[int, str]:
        """Everything alive that belongs to the run, with its command line."""
        return {pid: _command(pid) for pid in _pids() if is_alive(pid) and _mark_of(pid) == self.mark}

    def pids(self, victim: Victim) -> list[int]:
        """The processes of one kind."""
        if victim == "driver":
            return [] if self.ended else [self.process.pid]
        return [pid for pid, command in self.processes().items() if _is(victim, command)]

    def sweep(self, *, wait: float = 0.0) -> dict[int, str]:
        """End what is left of the run, and tell what it was; it may take `wait` seconds to end by itself."""
        until = time.monotonic() + wait
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.1)
        for pid in left:
            kill(pid)
        return left

    def finish(self, *, seconds: float = _LONGEST) -> int:
        """Wait for its end. Raises `TimeoutExpired` if it hangs, after ending all of it."""
        try:
            return self.process.wait(seconds)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.sweep(wait=0.0 if self.process.returncode else 3.0)


@contextmanager
def running(
    config: Path, out: Path, *, words: tuple[str, ...] = (), log: Path | None = None, **variables: str
) -> Iterator[Run]:
    """A run that leaves nothing behind."""
    run = Run.begin(config, out, words=words, log=log, **variables)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()
        run.sweep()


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _mark_of(pid: int) -> str:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((entry.partition(b"=")[2].decode() for entry in variables if entry.startswith(MARK.encode())), "")


def _is(victim: Victim, command: str) -> bool:
    if victim == "raylet":
        return command.split(" ", maxsplit=1)[0].endswith("/raylet/raylet")
    name = command.partition("ray::")[2]
    return command.startswith("ray::") and not name.startswith(_NO_ACTORS)


def kill(pid: int) -> bool:
    """End a process at once; False if it was gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Toll:
    """What was killed, and how it went on."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    """How drivers ended that were not killed, by what was killed last and the exit code."""
    longest_end: float = 0.0
    """Seconds from the death of its raylet to the driver's own end, at the most."""
    left: Counter[str] = field(default_factory=Counter)
    """What was still there when a driver had ended, and had to be ended by its pid."""


@dataclass
class Torment:
    """Runs `config` into `out` to its end, and kills the planned victims on the way, while there is something to kill."""

    config: Path
    out: Path
    judge: Judge
    random: random.Random
    toll: Toll = field(default_factory=Toll)

    def until_done(self, plan: Sequence[Victim], *, ended: int) -> None:
        """Start it again and again until it ends with the exit code `ended`."""
        victims = list(plan)
        earlier: list[Run] = []
        try:
            while not self._is_done(victims, earlier, ended):
                pass
        finally:
            for run in earlier:
                run.sweep()

    def _is_done(self, victims: list[Victim], earlier: list[Run], ended: int) -> bool:
        run = Run.begin(self.config, self.out, **QUICK_TO_NOTICE)
        earlier.append(run)
        self.toll.runs += 1
        killed = self._strikes(run, victims)
        died = time.monotonic()
        code = run.process.wait(_LONGEST)
        if killed == "raylet":
            self.toll.longest_end = max(self.toll.longest_end, time.monotonic() - died)
        if killed != "driver":
            self.toll.ends[f"{killed or 'nothing'}: exit {code}"] += 1
        self._sweep(earlier)
        if code != ended and not killed:
            raise AssertionError(f"the run ended with {code} though nothing was killed:\n{run.log.read_text()[-4000:]}")
        return code == ended

    def _sweep(self, earlier: list[Run]) -> None:
        """Half of the time the next run begins while what is left of this one still works."""
        for run in earlier[:-1] if self.random.random() < 0.5 else earlier[:]:
            self.toll.left.update(_name(command) for command in run.sweep().values())
            earlier.remove(run)

    def _strikes(self, run: Run, victims: list[Victim]) -> str:
        """Kill, until the driver is dead or has ended or nothing is left that works for it; what was killed last."""
        killed = ""
        while victims and (pid := self._found(run, victims[0])):
            if kill(pid):
                killed = victims.pop(0)
                self.toll.kills[killed] += 1
            if killed == "driver" or (killed == "raylet" and (victims[:1] != ["driver"] or self.random.random() < 0.5)):
                break
        return killed

    def _found(self, run: Run, victim: Victim) -> int:
        """A process of the run, at a random moment; 0 if it ended before."""
        self._wait(run, victim)
        while not run.ended:
            if pids := run.pids(victim):
                return self.random.choice(pids)
            time.sleep(0.02)
        return 0

    def _wait(self, run: Run, victim: Victim) -> None:
        """Some calls long, or for some drivers some seconds, which may be while it starts or packs."""
        at_any_time = victim == "driver" and self.random.random() < 0.4
        moment = time.monotonic() + (self.random.uniform(0, 8) if at_any_time else _LONGEST)
        wanted = len(self.judge.calls) + (10**9 if at_any_time else self.random.randint(1, 15))
        while not run.ended and time.monotonic() < moment and len(self.judge.calls) < wanted:
            time.sleep(0.01)
        time.sleep(self.random.uniform(0, 0.1))


def _name(command: str) -> str:
    words = command.split(" ")
    return " ".join(word.rsplit("/", 1)[-1] for word in words[: 3 if "python" in words[0] else 1])


def statuses(out: Path) -> Mapping[str, tuple[str, ...]]:
    """How every record ended."""
    return {id: (row["status"], row["stage"], row["reason"], row["key"]) for id, row in ledger_rows(out).items()}


def differences(one: Path, other: Path) -> list[str]:
    """What two datasets do not have in common: files, ends of records, or being whole."""
    found = [str(problem) for problem in verify(str(other))]
    first, second = dataset_bytes(one), dataset_bytes(other)
    found += [f"{name} differs" for name in sorted(first.keys() | second.keys()) if first.get(name) != second.get(name)]
    here, there = statuses(one), statuses(other)
    why = {id: row["detail"][-300:] for id, row in ledger_rows(other).items()}
    found += [
        f"{id}: {here.get(id)} or {there.get(id)} {why.get(id)}"
        for id in here.keys() | there.keys()
        if here.get(id) != there.get(id)
    ]
    return found
