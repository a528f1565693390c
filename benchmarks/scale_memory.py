"""Whether a long run takes more memory than a short one.

    python benchmarks/scale_memory.py [--few 1000] [--many 10000] [--side 183] [--slice 16]

Pictures of random pixels, some 100 kB each, are drawn by one operator and pass
through a second. Measures the greatest memory of the whole process tree (summed PSS
and the object store's bytes, once a second) over 10,000 sources: at most 1.1 of
that over 1,000.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from measuring import Outcome, datagen, verdict, workplace, write_config, write_rows


def main() -> None:
    """Print one line a run and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--few", type=int, default=1000)
    parser.add_argument("--many", type=int, default=10_000)
    parser.add_argument("--side", type=int, default=183)
    parser.add_argument("--slice", type=int, default=16)
    arguments = parser.parse_args()
    with workplace() as folder:
        few, many = (measured(folder, rows, arguments) for rows in (arguments.few, arguments.many))
    details = f"{few.peak.total / 1e6:.0f} and {many.peak.total / 1e6:.0f} MB over {arguments.few} and {arguments.many}"
    verdict("memory, ratio of many sources to few", many.peak.total / few.peak.total, limit=1.1, more=details)


def measured(folder: Path, rows: int, arguments: argparse.Namespace) -> Outcome:
    """One run, told."""
    manifest = write_rows(folder / f"rows-{rows}.jsonl", rows)
    stages = [
        {"use": "draw_noise", "with": {"side": arguments.side}},
        {"use": "sift_most", "with": {"share": 0.05}, "resources": {"cpus": 0.5}},
    ]
    config = write_config(folder / f"rows-{rows}.yaml", manifest, stages, slice_size=arguments.slice)
    run = datagen(config, folder / f"out-{rows}")
    print(
        f"  {rows} sources: {run.seconds:.1f} s, start-up {run.startup:.1f}, {rows / max(run.steady, 1e-9):.0f} a "
        f"second; driver {run.driver_peak / 1e6:.0f} MB; at the peak, in MiB: {run.peak.text()}",
        flush=True,
    )
    return run


if __name__ == "__main__":
    main()
