"""Drawn sessions through world_complex_edit, against the same stages in a plain multiprocessing script.

    python benchmarks/sessions.py [--sessions 1000] [--runs 2] [--slice 16]

Measures turns a second between the first and the last slice, start-up and packing apart: at least 0.9 of the rival's,
which is plain_sessions.py on the same sessions with as many processes as cores. Speeds are medians of `--runs`
alternating pairs of runs.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median

import yaml
from measuring import ROOT, Outcome, against_plain, options_of, verdict, workplace

PLAIN = str(ROOT / "benchmarks" / "plain_sessions.py")
TURNS = 4


def main() -> None:
    """Print one line a run and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--slice", type=int, default=16)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    with workplace() as folder:
        config = world_config(folder / "sessions.yaml", sessions=arguments.sessions, slice_size=arguments.slice)
        pairs = [measured(folder / str(number), config, arguments) for number in range(arguments.runs)]
    turns = arguments.sessions * TURNS - arguments.slice
    ours, theirs = (median(turns / pair[side].steady for pair in pairs) for side in (0, 1))
    figures = f"{ours:.2f} against {theirs:.2f} turns a second"
    verdict("turns of drawn sessions, ratio to plain", ours / theirs, limit=0.9, least=True, more=figures)


def world_config(path: Path, *, sessions: int, slice_size: int) -> Path:
    """configs/world_complex_edit.yaml with more sessions, its profile's keys left out."""
    data = yaml.safe_load((ROOT / "configs" / "world_complex_edit.yaml").read_text(encoding="utf-8"))
    data["source"] |= {"count": sessions, "turns": TURNS}
    path.write_text(yaml.safe_dump({**data, "slice_size": slice_size}, sort_keys=False), encoding="utf-8")
    return path


def measured(folder: Path, config: Path, arguments: argparse.Namespace) -> tuple[Outcome, Outcome]:
    """One run of ours and one of the rival."""
    command = [PLAIN, str(config), str(folder / "plain"), *options_of(arguments)]
    return against_plain(config, folder / "ours", command, interval=15.0)


if __name__ == "__main__":
    main()
