"""What runs survive: kills, standing still, second drivers, links in OUT and Ctrl-C, at random moments.

    python benchmarks/chaos.py [TRIALS] [FILE] [MOVE ...]

Each trial is one move against a run; its dataset has to equal the unbroken one to the byte in the end, and `verify`
has to accept it. The moves take turns, or those that are named:

- `kill`: on Ray, drivers, actors and raylets are killed (kill -9), and the same command is started again each time. A
  pipeline with filters, Expand, `when`, a slow cached stage, a judge behind HTTP and Combine. No call may be repeated
  that was not in flight when its client died.
- `stop`: a driver is stopped (SIGSTOP) before one of its changes, another takes over, and the first goes on (SIGCONT).
  One that lost its lock has to say so, and must not end well.
- `second`: other drivers of the same command begin at any moment.
- `links`: a driver is killed before one of its changes, and links to a stranger's folder are put in the place of what
  it wrote. Nothing there may change.
- `interrupts`: Ctrl-C is pressed up to three times, in up to three drivers after each other. Each has to end with exit
  code 130, or as if nothing had happened, without a stack trace.

The pipeline of the last four has a cached stage that sorts one record's list in place: that record has to fail.

FILE (default: chaos.jsonl in the temporary folder) has one line of JSON a trial. The same command goes on from there,
until there are TRIALS (default 40) of them, and adds all of them up. Exit code 1 if one was not survived.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import chaos_moves  # noqa: E402
from chaos import VICTIMS, Torment, chaos_config, differences, running  # noqa: E402
from chaos_moves import MOVES, Outcome  # noqa: E402
from judge import Judge, judge  # noqa: E402

KILL = "kill"
ROWS, KILLS_A_TRIAL, SOME_FAILED = 400, 15, 3


class Arena:
    """The folder of the trials, with the unbroken runs to compare with; each is made when it is first needed."""

    def __init__(self, folder: Path, request: Judge) -> None:
        self._folder = folder
        self._requests = request

    def run(self, move: str, number: int) -> Outcome:
        """One trial; what it does depends on its number alone, as far as moments can be repeated."""
        folder = self._folder / (KILL if move == KILL else "moves")
        is_new = not folder.exists()
        folder.mkdir(exist_ok=True)
        drawn, out = random.Random(f"{move} {number}"), folder / f"{move}{number}"
        if move == KILL:
            config = chaos_config(folder, rows=ROWS, port=self._requests.port)
            if is_new:
                self._run_unbroken(config, folder / "unbroken")
            return self._kill(config, folder / "unbroken", out, drawn)
        config = chaos_moves.config_of(folder)
        if is_new:
            chaos_moves.whole_run(config, folder / "unbroken")
        return MOVES[move](config, folder / "unbroken", out, drawn)

    def _run_unbroken(self, config: Path, out: Path) -> None:
        self._requests.forget()
        with running(config, out) as run:
            if run.finish() != SOME_FAILED or self._requests.repeated():
                sys.exit(f"the unbroken run went wrong:\n{run.log.read_text()[-4000:]}")

    def _kill(self, config: Path, unbroken: Path, out: Path, drawn: random.Random) -> Outcome:
        self._requests.forget()
        torment = Torment(config, out, self._requests, drawn)
        torment.until_done(drawn.choices(VICTIMS, k=KILLS_A_TRIAL), ended=SOME_FAILED)
        time.sleep(0.5)
        events = {
            **{f"{victim}s killed": number for victim, number in torment.toll.kills.items()},
            "runs": torment.toll.runs,
            "calls repeated": self._requests.repeated(),
            "calls in flight at deaths": self._requests.in_flight_at_deaths().total(),
        }
        return Outcome(events, [*differences(unbroken, out), *self._requests.faults()])


@contextmanager
def arena() -> Iterator[Arena]:
    """An arena in a temporary folder, with the judge that its runs call."""
    with judge() as requests, tempfile.TemporaryDirectory() as folder:
        yield Arena(Path(folder), requests)


def done_trials(file: Path) -> list[dict[str, Any]]:
    """The trials that the file has; a line that broke off, as where this was killed, counts as none."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def totals(trials: list[dict[str, Any]]) -> Iterator[str]:
    """Yield a line for each move: how many trials of it were survived, and what happened in them."""
    for move in dict.fromkeys(trial["move"] for trial in trials):
        own = [trial for trial in trials if trial["move"] == move]
        events: Counter[str] = Counter()
        for trial in own:
            events.update(trial["events"])
        survived = sum(not trial["faults"] for trial in own)
        seconds = sum(trial["seconds"] for trial in own)
        yield f"{move:<7} {survived} of {len(own)} survived, {seconds:.0f} s; {dict(events)}"


def main(number: int, file: Path, moves: list[str]) -> None:
    """Run the trials that are missing, print a line for each, and the totals of all."""
    trials = done_trials(file)
    with arena() as found, file.open("a") as log:
        if file.stat().st_size and not file.read_bytes().endswith(b"\n"):
            log.write("\n")  # behind a line that broke off
        for trial in range(len(trials), number):
            begun, move = time.monotonic(), moves[trial % len(moves)]
            try:
                outcome = found.run(move, trial)
            except Exception as error:  # a trial that hangs or cannot be judged was not survived either
                outcome = Outcome({}, [f"{type(error).__name__}: {error}"])
            line = {"trial": trial, "move": move, **outcome._asdict(), "seconds": round(time.monotonic() - begun, 1)}
            trials.append(line)
            print(json.dumps(line), flush=True)
            log.write(json.dumps(line) + "\n")
            log.flush()
    print(*totals(trials), sep="\n")
    sys.exit(1 if any(trial["faults"] for trial in trials) else 0)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(
        int(words[0]) if words else 40,
        Path(words[1] if len(words) > 1 else Path(tempfile.gettempdir()) / "chaos.jsonl"),
        words[2:] or [KILL, *MOVES],
    )
