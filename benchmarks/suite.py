"""How long the test commands take: `python benchmarks/suite.py check test`, each as `make` runs it.

Machines differ by more than twice in speed, so seconds are also given as multiples of a loop of plain Python,
which is timed right before and right after each command. Making the virtual environment is not counted.
"""

from __future__ import annotations

import argparse
import subprocess
import time

from measuring import ROOT, verdict, watched

ROUNDS = 20_000_000
"""Of the loop: about a second."""
AIMS = {"check": 90.0, "test": 720.0}
"""Seconds on a machine whose loop takes `REFERENCE_SECONDS`."""
REFERENCE_SECONDS = 0.8


def loop_seconds() -> float:
    """Wall-clock seconds of a loop of plain Python, the best of three."""
    return min(_loop() for _ in range(3))


def _loop() -> float:
    begun = time.perf_counter()
    total = 0
    for number in range(ROUNDS):
        total += number & 7
    assert total
    return time.perf_counter() - begun


def measure(target: str) -> bool:
    """Run one target of the Makefile, print what it took, and return whether its aim, if it has one, is reached."""
    before = loop_seconds()
    done = watched(["make", target])
    loop = (before + loop_seconds()) / 2
    loops = done.seconds / loop
    print(f"make {target}: {done.seconds:.0f} s, {loops:.0f} loops of {loop:.2f} s; CPU {done.cpu}", flush=True)
    print(*[line for line in done.output.splitlines() if " passed" in line][-1:], flush=True)
    if target not in AIMS:
        return True
    return verdict(f"make {target}", loops, limit=AIMS[target] / REFERENCE_SECONDS, unit=" loops")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="+", choices=["check", "test", "test-all"])
    targets = parser.parse_args().targets
    subprocess.run(["make", ".venv/dev"], cwd=ROOT, check=True)
    reached = [measure(target) for target in targets]
    raise SystemExit(0 if all(reached) else 1)


if __name__ == "__main__":
    main()
