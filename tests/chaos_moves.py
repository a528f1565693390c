"""Moves against a run other than kills: it stands still, a second driver begins, links are planted in OUT, Ctrl-C."""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from building import PAINT, plain_rows, toy_config
from chaos import Run, differences
from judge import is_alive

from datagen.cli import INTERRUPTED, SOME_FAILED, WRONG
from datagen.execute.ledger.lock import LOCK

ROWS = 24
MOST_CHANGES = 186
"""A driver of `config_of` makes about so many changes of files."""
DONE = SOME_FAILED
"""How a driver of `config_of` ends that is not disturbed: the record that its first stage tries to change fails."""
_SECONDS = 60.0
_LOST = "lost its lock"


class Outcome(NamedTuple):
    """What became of one trial."""

    events: dict[str, int]
    faults: list[str]


def config_of(folder: Path) -> Path:
    """A cached stage that sorts the objects of one record in place, a filter, Expand, a slow cached stage, pictures."""
    stages: list[Any] = [
        {"use": "sorter", "durable": True, "map": {"subject": "annotated_subject"}},
        {"use": "sift", "with": {"share": 0.2}},
        {"use": "fan_out", "with": {"most": 3}},
        {"use": "ponder", "with": {"seconds": 0.005}, "durable": True},
        PAINT,
    ]
    rows: list[dict[str, Any]] = [{**row, "objects": [{"label": "b"}, {"label": "c"}]} for row in plain_rows(ROWS)]
    rows[1]["caption"] = "sorted"
    return toy_config(folder, stages, rows=rows, slice_size=3)


def begin(config: Path, out: Path, *, log: str = "", **variables: str) -> Run:
    """Start a driver whose lock counts for a few seconds only, with a log of its own beside OUT."""
    path = out.with_name(f"{out.name}{log}.log")
    words = ("--engine", "local", "--no-report")
    return Run.begin(config, out, words=words, log=path, module="chaos_driver", **variables)


def whole_run(config: Path, out: Path) -> None:
    """An unbroken run to compare with."""
    run = begin(config, out)
    if run.finish() != DONE:
        raise AssertionError(run.log.read_text()[-4000:])


def stop(config: Path, unbroken: Path, out: Path, drawn: random.Random) -> Outcome:
    """SIGSTOP before one of a driver's changes; another takes over; SIGCONT at any moment from then on."""
    first = begin(config, out, CHAOS_STOP_AT=str(drawn.randint(1, MOST_CHANGES)))
    stopped = _waits_until_stopped(first)
    continued = time.monotonic() + drawn.choice([0.0, drawn.uniform(0, 8), _SECONDS])
    drivers = [begin(config, out, log="-2")]
    while time.monotonic() < continued and not (drivers[-1].ended and drivers[-1].process.returncode != WRONG):
        if drivers[-1].ended:  # refused: the first one's lock is young still
            drivers.append(begin(config, out, log="-2"))
        time.sleep(0.02)
    first.process.send_signal(signal.SIGCONT)
    codes = [first.finish(), *(run.finish() for run in drivers)]
    lost = _LOST in first.log.read_text()
    faults = [*_unexpected([first, *drivers]), *differences(unbroken, out)]
    if lost and codes[0] == DONE:
        faults.append("one that lost its lock ended well")
    return Outcome({"stopped": int(stopped), "lost its lock": int(lost), "refused": codes[1:].count(WRONG)}, faults)


def second(config: Path, unbroken: Path, out: Path, drawn: random.Random) -> Outcome:
    """Other drivers of the same command, at any moment of the first one."""
    first = begin(config, out)
    while not first.ended and not out.exists():
        time.sleep(0.01)
    time.sleep(drawn.uniform(0, 0.5))
    drivers = [first, *(begin(config, out, log=f"-{number}") for number in range(drawn.choice([1, 2])))]
    codes = [run.finish() for run in drivers]
    return Outcome(
        {"drivers": len(codes), "refused": codes.count(WRONG)}, [*_unexpected(drivers), *differences(unbroken, out)]
    )


def links(config: Path, unbroken: Path, out: Path, drawn: random.Random) -> Outcome:
    """Kill a driver before any of its changes, and put links to a stranger's folder in the place of what it wrote."""
    begin(config, out, CHAOS_KILL_AT=str(drawn.randint(20, MOST_CHANGES))).finish()
    victim = out.with_name(f"{out.name}-victim")
    victim.mkdir()
    chosen = _plant(out, victim, drawn)
    before = _content(victim)
    run = begin(config, out)
    named = run.finish() == WRONG
    faults = [] if _content(victim) == before else ["what lies behind a link was changed"]
    if named:  # the user puts back what the message names
        if " is a symbolic link" not in run.log.read_text():
            faults.append(f"refused without a reason: {run.log.read_text()[-1500:]}")
        for path in filter(Path.is_symlink, chosen):
            target = path.readlink()
            path.unlink()
            shutil.copytree(target, path) if target.is_dir() else shutil.copy(target, path)
        run = begin(config, out, log="-2")
        run.finish()
    faults += [*_unexpected([run]), *differences(unbroken, out)]
    if _content(victim) != before:
        faults.append("what lies behind a link was changed later")
    return Outcome({"links": len(chosen), "named": int(named)}, faults)


def interrupts(config: Path, unbroken: Path, out: Path, drawn: random.Random) -> Outcome:
    """Press Ctrl-C up to three times at any moment of a driver, and the same again with the next ones."""
    codes: list[int] = []
    faults: list[str] = []
    pressed = 0
    for number in range(drawn.randint(1, 3)):
        run = begin(config, out, log=f"-{number}")
        while not run.ended and not _holds_lock(out, run):
            time.sleep(0.002)
        time.sleep(drawn.choice([0, drawn.uniform(0, 0.05), drawn.uniform(0, 0.3)]))
        for _ in range(drawn.randint(1, 3)):
            if not run.ended:
                run.process.send_signal(signal.SIGINT)
                pressed += 1
            time.sleep(drawn.choice([0, 0.001, 0.01, drawn.uniform(0, 0.1)]))
        codes.append(run.finish())
        text = run.log.read_text()
        if codes[-1] not in (DONE, INTERRUPTED) or "Traceback" in text:
            faults.append(f"Ctrl-C ended it with {codes[-1]}: {text[-1500:]}")
    last = begin(config, out)
    last.finish()
    events = {"pressed": pressed, "interrupted": codes.count(INTERRUPTED)}
    return Outcome(events, [*faults, *_unexpected([last]), *differences(unbroken, out)])


def _holds_lock(out: Path, run: Run) -> bool:
    with suppress(OSError, ValueError):  # not there yet, or not any more
        return bool(json.loads((out / LOCK).read_bytes())["pid"] == run.process.pid)
    return False


MOVES: Mapping[str, Callable[[Path, Path, Path, random.Random], Outcome]] = {
    "stop": stop,
    "second": second,
    "links": links,
    "interrupts": interrupts,
}


def _waits_until_stopped(run: Run) -> bool:
    """Wait until a driver has stopped itself; False if it ended without."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until and not run.ended:
        if Path(f"/proc/{run.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T":
            return True
        time.sleep(0.02)
    return is_alive(run.process.pid) and not run.ended


def _unexpected(drivers: list[Run]) -> list[str]:
    """Ends that are neither well nor explained by another driver."""
    found = []
    for run in drivers:
        text = run.log.read_text()
        if run.process.returncode not in (DONE, WRONG) or (run.process.returncode == WRONG and not _explained(text)):
            found.append(f"ended with {run.process.returncode}: {text[-1500:]}")
    if all(run.process.returncode != DONE for run in drivers):
        found.append(f"none ended well: {[run.process.returncode for run in drivers]}")
    return found


def _explained(text: str) -> bool:
    return _LOST in text or "is being written by process" in text


def _plant(out: Path, victim: Path, drawn: random.Random) -> list[Path]:
    """Move some files and folders of OUT into a stranger's folder, and leave links in their place."""
    inside = [path for path in out.rglob("*") if path.name != "log"]
    chosen: list[Path] = []
    for path in drawn.sample(inside, min(len(inside), drawn.randint(1, 3))):
        if path.exists() and not any(path.is_relative_to(one) or one.is_relative_to(path) for one in chosen):
            target = victim / str(len(chosen))
            path.rename(target)
            if target.is_dir():
                (target / "stranger").write_text("theirs")
            path.symlink_to(target)
            chosen.append(path)
    return chosen


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
