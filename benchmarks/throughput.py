"""subject_add over many sources, against the same stages in a plain multiprocessing script.

    python benchmarks/throughput.py [--records 1200] [--runs 2] [--slice 8] [--speed-only]

Measures, on distinct crops of photographs (crops.py), alternating with the rival
plain_subject_add.py on the same records and with as many processes as cores:
steady throughput (sources a second between the first and the last committed
slice), at least 0.95 of the rival's; whole wall time, start-up and packing
included, at most 1.6 of the rival's; and peak memory of the whole process tree,
object store included, at most 1 GB more than the rival's. Speeds are medians of
`--runs` pairs of runs. Memory is that of one pair more, before them: to look at
it once a second takes 3 % of two cores from the run with the more processes.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median

from crops import make_crops
from measuring import ROOT, Outcome, against_plain, options_of, subject_add, verdict, workplace

PLAIN = str(ROOT / "benchmarks" / "plain_subject_add.py")


def main() -> None:
    """Print one line a run and one a figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1200)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--slice", type=int, default=8)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--speed-only", action="store_true", help="leave the memory out")
    arguments = parser.parse_args()
    with workplace() as folder:
        manifest = make_crops(folder, records=arguments.records)
        config = subject_add(folder / "figures.yaml", manifest, slice_size=arguments.slice)
        if not arguments.speed_only:
            tell_memory(*measured(folder / "memory", config, manifest, arguments, interval=1.0))
        pairs = [
            measured(folder / str(number), config, manifest, arguments, interval=15.0)
            for number in range(arguments.runs)
        ]
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    records = arguments.records - arguments.slice
    speeds = [median(records / one.steady for one in side) for side in (ours, theirs)]
    walls = [median(one.seconds for one in side) for side in (ours, theirs)]
    details = f"{speeds[0]:.2f} against {speeds[1]:.2f} sources a second"
    verdict("steady throughput, ratio to plain", speeds[0] / speeds[1], limit=0.95, least=True, more=details)
    details = (
        f"{walls[0]:.1f} against {walls[1]:.1f} s, of which start-up {startup(ours):.1f} and {startup(theirs):.1f}"
    )
    verdict(f"wall time of {arguments.records} records, ratio to plain", walls[0] / walls[1], limit=1.6, more=details)


def tell_memory(ours: Outcome, theirs: Outcome) -> None:
    """How much more memory ours took."""
    details = f"{ours.peak.total / 1e6:.0f} against {theirs.peak.total / 1e6:.0f} MB; ours in MiB: {ours.peak.text()}"
    beyond = (ours.peak.total - theirs.peak.total) / 1e9
    verdict("peak memory beyond plain", beyond, limit=1.0, unit=" GB", more=details)


def startup(outcomes: list[Outcome]) -> float:
    """Seconds to the first slice."""
    return median(one.startup for one in outcomes)


def measured(
    folder: Path, config: Path, manifest: Path, arguments: argparse.Namespace, *, interval: float
) -> tuple[Outcome, Outcome]:
    """One run of ours and one of the rival, looked at every `interval` seconds."""
    command = [PLAIN, str(manifest), str(folder / "plain"), *options_of(arguments)]
    return against_plain(config, folder / "ours", command, interval=interval)


if __name__ == "__main__":
    main()
