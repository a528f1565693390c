"""A manifest of a million rows: how long `plan` takes, and what the driver of a run remembers.

    python benchmarks/manifest.py [--rows 1000000] [--few 10000] [--slice 5000] [--without-run]

Measures `plan` over the million (under 20 s) with `plan` over the few as its
rival, and the driver's greatest memory (VmHWM) in a run whose first stage
rejects every record, over the few and over all of the rows: it may grow by less
than 200 MB. Beside it, the same for going on with that run once it is finished.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from measuring import Outcome, datagen, verdict, watched, workplace, write_config, write_rows


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--few", type=int, default=10_000)
    parser.add_argument("--slice", type=int, default=5000)
    parser.add_argument("--without-run", action="store_true")
    arguments = parser.parse_args()
    with workplace() as folder:
        few, many = (config_of(folder, rows, arguments.slice) for rows in (arguments.few, arguments.rows))
        plans = [planned(config) for config in (few, many)]
        details = f"{arguments.few} rows: {plans[0][0]:.2f} s; its memory {plans[0][1]:.0f} and {plans[1][1]:.0f} MB"
        verdict(f"plan of {arguments.rows} rows", plans[1][0], limit=20, unit=" s", more=details)
        if arguments.without_run:
            return
        for what in ("run", "going on with it"):
            runs = [datagen(config, folder / f"out-{config.stem}") for config in (few, many)]
            grown = (runs[1].driver_peak - runs[0].driver_peak) / 1e6
            details = "; ".join(
                as_text(run, rows) for run, rows in zip(runs, (arguments.few, arguments.rows), strict=True)
            )
            verdict(f"driver's memory, {what}, grows by", grown, limit=200, unit=" MB", more=details)


def as_text(run: Outcome, rows: int) -> str:
    """One run in words."""
    return f"{rows} rows: {run.driver_peak / 1e6:.0f} MB, {run.seconds:.1f} s"


def config_of(folder: Path, rows: int, size: int) -> Path:
    """A pipeline over so many rows."""
    manifest = write_rows(folder / f"rows-{rows}.jsonl", rows)
    stages = [{"use": "reject_all"}, {"use": "draw_noise"}]
    return write_config(folder / f"rows-{rows}.yaml", manifest, stages, slice_size=size)


def planned(config: Path) -> tuple[float, float]:
    """Seconds and megabytes of one `plan`."""
    done = watched([sys.executable, "-m", "datagen", "plan", str(config)])
    return done.seconds, done.driver_peak / 1e6


if __name__ == "__main__":
    main()
