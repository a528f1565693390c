"""What a kill costs: records that are computed twice, and the time it takes to go on.

    python benchmarks/resume.py [--records 4000] [--slice 8]

Runs a cheap pipeline whose stage notes each record that it is given, kills the
whole process tree once half of the slices are committed, and runs the same
command again. Measures how many records were given to the stage twice: at most
those of eight slices, which is what two workers have at hand. The rival is an
unbroken run, to whose wall time the two together are compared.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from measuring import ROOT, Commits, datagen, environment, verdict, workplace, write_config, write_rows
from memory import Sampler

IN_FLIGHT = 8


def main() -> None:
    """Print one line a run and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=4000)
    parser.add_argument("--slice", type=int, default=8)
    arguments = parser.parse_args()
    with workplace() as folder:
        manifest = write_rows(folder / "rows.jsonl", arguments.records)
        log = folder / "given.txt"
        stages = [{"use": "note_record", "with": {"log": str(log)}}, {"use": "draw_noise"}]
        config = write_config(folder / "resume.yaml", manifest, stages, slice_size=arguments.slice)
        unbroken = datagen(config, folder / "unbroken")
        log.unlink()
        before = killed(config, folder / "broken", slices=arguments.records // arguments.slice // 2)
        after = datagen(config, folder / "broken")
        given = len(log.read_text(encoding="utf-8").splitlines())
    details = f"killed after {before:.1f} s, went on in {after.seconds:.1f} s; unbroken {unbroken.seconds:.1f} s"
    limit = IN_FLIGHT * arguments.slice
    verdict("records computed twice after a kill", float(given - arguments.records), limit=limit, more=details)


def killed(config: Path, out: Path, *, slices: int) -> float:
    """Run until so many slices are committed, and kill every process of the run; seconds."""
    command = [sys.executable, "-m", "datagen", "run", str(config), "--out", str(out), "--no-report"]
    begun = time.monotonic()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with Commits(out, interval=0.05) as commits, Sampler(process.pid, interval=0.5) as sampler:
        while process.poll() is None and len(commits.times) < slices:
            time.sleep(0.05)
        sampler.look()
        for pid in sampler.alive():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
    return time.monotonic() - begun


if __name__ == "__main__":
    main()
