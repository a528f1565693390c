"""Rendered plans of four steps, against the same stages in a plain multiprocessing script.

    python benchmarks/plans.py [--plans 1000] [--runs 2] [--slice 16] [--look shapes]

Graphs are drawn, planned in four steps, and each step is rendered at 256 px. Measures plans a second between the first
and the last slice, start-up and packing apart: at least 0.9 of the rival's, which is plain_plans.py on the same scenes
with as many processes as cores. Speeds are medians of `--runs` alternating pairs of runs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median

import yaml
from measuring import ROOT, Outcome, against_plain, options_of, verdict, workplace

PLAIN = str(ROOT / "benchmarks" / "plain_plans.py")
STEPS = 4


def main() -> None:
    """Print one line a run and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plans", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--slice", type=int, default=16)
    parser.add_argument("--look", default="shapes")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with workplace() as folder:
        config = plans_config(folder / "plans.yaml", arguments)
        pairs = [measured(folder / str(number), config, arguments) for number in range(arguments.runs)]
    plans = arguments.plans - arguments.slice
    ours, theirs = (median(plans / pair[side].steady for pair in pairs) for side in (0, 1))
    figures = f"{ours:.2f} against {theirs:.2f} plans a second"
    verdict(f"plans of {STEPS} steps, ratio to plain", ours / theirs, limit=0.9, least=True, more=figures)


def plans_config(path: Path, arguments: argparse.Namespace) -> Path:
    """A pipeline that draws, plans and renders."""
    data = {
        "pipeline": "plans",
        "source": {"kind": "scenes", "count": arguments.plans, "look": arguments.look},
        "slice_size": arguments.slice,
        "stages": [
            {"use": "draw_graph"},
            {"use": "sample_plan", "with": {"plan": {"intermediates": [STEPS - 1, STEPS - 1]}}},
            {"use": "render_plan"},
        ],
    }
    path.write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")
    return path


def measured(folder: Path, config: Path, arguments: argparse.Namespace) -> tuple[Outcome, Outcome]:
    """One run of ours and one of the rival."""
    command = [PLAIN, str(config), str(folder / "plain"), *options_of(arguments)]
    return against_plain(config, folder / "ours", command, interval=15.0)


if __name__ == "__main__":
    main()
