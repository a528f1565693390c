"""How long a person waits: for help, for a check, and for the demo.

    python benchmarks/startup.py

Each command runs as a whole process in a fresh folder, the median of several
runs is printed beside its rival's, measured in turn in the same run: an
interpreter that does nothing, and the demo on one process without Ray.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

DATAGEN = (sys.executable, "-m", "datagen")
CONFIG = "configs/subject_add.yaml"


def seconds(command: Sequence[str]) -> float:
    """Wall time of one command, which has to succeed."""
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 3):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - begun


def compare(name: str, command: Sequence[str], rival: Sequence[str], *, runs: int, limit: float) -> None:
    """Print the medians of a command and its rival, and how the command stands to its limit."""
    pairs = [(seconds(command), seconds(rival)) for _ in range(runs)]
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    verdict = "under" if ours < limit else "OVER"
    print(f"{name:<28} {ours:7.2f} s  rival {theirs:7.2f} s  ratio {ours / theirs:6.2f}  {verdict} {limit:g} s")


def main() -> None:
    """Print one line a figure."""
    nothing = (sys.executable, "-c", "pass")
    compare("--help / python -c pass", (*DATAGEN, "--help"), nothing, runs=7, limit=0.5)
    compare("check / python -c pass", (*DATAGEN, "check", CONFIG), nothing, runs=7, limit=1.0)
    ray_alone = (sys.executable, "-c", "import ray; ray.init(include_dashboard=True, log_to_driver=False)")
    compare("import ray and ray.init", ray_alone, nothing, runs=3, limit=20.0)
    with tempfile.TemporaryDirectory() as folder:
        run = (*DATAGEN, "run", CONFIG, "--out")
        for number in range(3):
            on_ray = (*run, str(Path(folder) / f"ray{number}"))
            in_process = (*run, str(Path(folder) / f"local{number}"), "--engine", "local")
            compare("demo on Ray / one process", on_ray, in_process, runs=1, limit=40.0)


if __name__ == "__main__":
    main()
