"""A slice's way through five pools of actors, against the same in Ray Data.

    python benchmarks/chain.py [--slices 800] [--size 1000000] [--runs 3]

Five operators of one worker each that do nothing, over slices of one record with
1 MB of random bytes, which the first makes and the last writes as a tar; the
rival is chain_ray_data.py, alternating. Measures slices a second between the
first and the last slice written, start-up apart: at least 3 times the rival's.
Ours writes a ledger besides, and packs shards at the end (told as `then`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from typing import Any

from measuring import ROOT, Outcome, datagen, rival, verdict, workplace, write_config, write_rows

RAY_DATA = str(ROOT / "benchmarks" / "chain_ray_data.py")
CPUS = (0.10, 0.11, 0.12, 0.13, 0.14)
"""Of the operators: different ones, so that no two are fused; they leave a core to Ray Data's reading."""


def stages(size: int) -> list[dict[str, Any]]:
    """The bytes are made in the first of the five operators."""
    one = {"min": 1, "max": 1}
    passing = [
        {"use": "pass_on", "id": f"pass_{number}", "resources": {"cpus": cpus, "replicas": one}}
        for number, cpus in enumerate(CPUS, 1)
    ]
    return [{"use": "make_payload", "with": {"size": size}, "resources": passing[0]["resources"]}, *passing]


def main() -> None:
    """Print one line a run and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=800)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with workplace() as folder:
        manifest = write_rows(folder / "rows.jsonl", arguments.slices)
        config = write_config(folder / "chain.yaml", manifest, stages(arguments.size), slice_size=1)
        pairs = [measured(folder / str(number), config, arguments) for number in range(arguments.runs)]
    ours, theirs = (median(arguments.slices / pair[side].steady for pair in pairs) for side in (0, 1))
    after = [median(pair[side].rest for pair in pairs) for side in (0, 1)]
    details = (
        f"{ours:.1f} against {theirs:.1f} slices a second; all but start-up, our packing included: "
        f"{after[0]:.1f} against {after[1]:.1f} s, ratio {after[1] / after[0]:.2f}"
    )
    verdict("five operators, ratio to Ray Data", ours / theirs, limit=3.0, least=True, more=details)


def measured(folder: Path, config: Path, arguments: argparse.Namespace) -> tuple[Outcome, Outcome]:
    """One run of ours and one of Ray Data's."""
    ours = datagen(config, folder / "ours", interval=5)
    options = ("--slices", str(arguments.slices), "--size", str(arguments.size))
    theirs, _ = rival([RAY_DATA, str(folder / "ray_data"), *options], interval=5)
    for name, one in (("datagen", ours), ("Ray Data", theirs)):
        print(
            f"  {name:<8} {one.seconds:6.1f} s: start-up {one.startup:5.1f}, steady {one.steady:6.1f}, then "
            f"{one.rest - one.steady:5.1f}; {one.commits} slices, {one.peak.total / 1e6:.0f} MB ({one.peak.text()})\n"
            f"           CPU seconds: {one.cpu}",
            flush=True,
        )
    return ours, theirs


if __name__ == "__main__":
    main()
