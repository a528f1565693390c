"""Trainings that are killed at random moments and gone on with, against one that is not: their weights are equal.

    python benchmarks/killed_training.py [--out OUT] [--trials 10] [--steps 60] [--processes 1]

Each trial trains `configs/train/small.yaml` with a checkpoint every seven steps, kills all of its processes after a
random time, and starts the same command again; the fourth time it may end. Then its model, to the bit, and its losses
are compared with those of an unbroken training. Without `--out`, worlds are drawn.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from measuring import ROOT, environment, verdict, workplace
from train_ip2p import drawn_worlds

KILLS = 3
"""Most kills of one training."""


def main() -> None:
    """Print a line for each trial and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    with workplace() as folder:
        out = (arguments.out or drawn_worlds(folder / "out", side=96)).resolve()
        begun = time.monotonic()
        trained(folder / "whole", out, arguments)
        seconds = time.monotonic() - begun
        whole = result_of(folder / "whole")
        different = kills = 0
        for number in range(arguments.trials):
            place = folder / str(number)
            times = [draw.uniform(0.2, 0.95) * seconds for _ in range(KILLS)]
            killed = sum(not trained(place, out, arguments, kill_after=after) for after in times)
            trained(place, out, arguments)
            different += result_of(place) != whole
            kills += killed
            print(f"  trial {number}: {killed} kills, {different} different so far", flush=True)
        what = f"trainings of {arguments.trials} that differ after {kills} kills"
        verdict(what, float(different), limit=0, more=f"{arguments.steps} steps, {arguments.processes} processes")


def trained(place: Path, out: Path, arguments: argparse.Namespace, *, kill_after: float = 0) -> bool:
    """Train, or go on; kill it after some seconds, 0 for never. Whether it ended by itself."""
    sets = {
        "data.datasets": f"[{{path: {out}}}]",
        "steps": arguments.steps,
        "processes": arguments.processes,
        "batch_size": 8,
        "threads": 1,
        "checkpoints.every": 7,
        "evaluation.every": 10**6,
        "evaluation.samples": 1,
        "evaluation.pictures": 0,
    }
    words = [word for name, value in sets.items() for word in ("--set", f"{name}={value}")]
    config = str(ROOT / "configs" / "train" / "small.yaml")
    command = [sys.executable, "-m", "datagen", "train", config, "--out", str(place), *words]
    with (place.parent / f"{place.name}.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(kill_after or None)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code:
        sys.exit(f"{' '.join(command)} ended with {code}:\n{(place.parent / f'{place.name}.log').read_text()[-4000:]}")
    return code == 0


def result_of(place: Path) -> tuple[dict[str, str], list[tuple[int, float]]]:
    """Checksums of the files of the model, and the loss of each step."""
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.rglob("*.safetensors")}
    rows = [json.loads(line) for line in (place / "metrics.jsonl").read_text("utf-8").splitlines()]
    return files, [(row["step"], row["loss"]) for row in rows if "loss" in row]


if __name__ == "__main__":
    main()
