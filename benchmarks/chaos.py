"""Kill -9 at random moments, a hundred times: what comes out, and what is paid for twice.

    python benchmarks/chaos.py [KILLS] [SEED]

A pipeline with filters, Expand, `when`, a slow cached stage, a judge behind
HTTP and Combine is run unbroken once. Then it is run into fresh folders, and
drivers, actors and raylets are killed at random moments, the same command
started again each time, until there were so many kills. Each dataset has to
equal the unbroken one to the byte, and no call may be repeated that was not
in flight when its client died.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from chaos import VICTIMS, Toll, Torment, chaos_config, differences, running  # noqa: E402
from judge import judge  # noqa: E402

ROWS, A_ROUND, SOME_FAILED = 400, 15, 3


def main(kills: int = 100, seed: int = 0) -> None:
    """Print one line a round, and the sum; exit with 1 if anything differs."""
    drawn, toll, wrong, number = random.Random(seed), Toll(), 0, 0
    repeated = lost = 0
    begun = time.monotonic()
    with judge() as asked, tempfile.TemporaryDirectory() as folder:
        config = chaos_config(Path(folder), rows=ROWS, port=asked.port)
        with running(config, Path(folder) / "unbroken") as run:
            if run.finish() != SOME_FAILED or asked.repeated():
                sys.exit(f"the unbroken run went wrong:\n{run.log.read_text()[-4000:]}")
        print(f"{ROWS} rows, {len(asked.calls)} calls of the judge in an unbroken run", flush=True)
        while toll.kills.total() < kills:
            number += 1
            asked.forget()
            out = Path(folder) / f"round{number}"
            plan = drawn.choices(VICTIMS, k=min(A_ROUND, kills - toll.kills.total()))
            Torment(config, out, asked, drawn, toll).until_done(plan, ended=SOME_FAILED)
            time.sleep(0.5)
            faults = [*differences(Path(folder) / "unbroken", out), *asked.faults()]
            wrong += len(faults)
            in_flight = asked.in_flight_at_deaths().total()
            repeated, lost = repeated + asked.repeated(), lost + in_flight
            print(
                f"round {number:>2}: {toll.kills.total():>3} kills, {toll.runs:>3} runs, "
                f"{time.monotonic() - begun:>5.0f} s; {asked.repeated():>3} calls repeated, "
                f"{in_flight:>3} in flight at deaths; {'; '.join(faults[:5]) or 'equal to the byte'}",
                flush=True,
            )
    print(f"kills: {dict(toll.kills)}; ends: {dict(toll.ends)}; left behind: {dict(toll.left)}")
    print(f"calls repeated {repeated}, in flight at deaths {lost}")
    print(f"longest end after a raylet's death {toll.longest_end:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
