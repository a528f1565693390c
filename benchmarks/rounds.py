"""Whether five rounds of a repeat block take the memory of one.

    python benchmarks/rounds.py [--rounds 5] [--rows 200] [--megabytes 300]

A stage that holds 300 MB, as an editor holds its weights, and a second one, for which other cores are reserved, so that
each has workers of its own: once, and in a block whose records all go through five rounds. Measures the greatest memory
of the workers (summed PSS, once a second), and with the local engine that of its process: with five rounds at most
1.15 of that with one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from measuring import Outcome, datagen, verdict, workplace, write_config, write_rows


def main() -> None:
    """Print one line a run and one for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--megabytes", type=int, default=300)
    arguments = parser.parse_args()
    with workplace() as folder:
        for engine in ("ray", "local"):
            one, many = (measured(folder, engine, rounds, arguments) for rounds in (1, arguments.rounds))
            details = f"{many / 1e6:.0f} and {one / 1e6:.0f} MB"
            verdict(
                f"memory on {engine}, ratio of {arguments.rounds} rounds to one", many / one, limit=1.15, more=details
            )


def measured(folder: Path, engine: str, rounds: int, arguments: argparse.Namespace) -> int:
    """Bytes of the workers in one run, and a line on it."""
    hold = {"use": "hold_weights", "with": {"megabytes": arguments.megabytes}, "resources": {"cpus": 0.2}}
    stages: list[dict[str, Any]] = [hold, {"use": "sift_most", "with": {"share": 0}, "resources": {"cpus": 0.1}}]
    for stage in stages:
        stage["resources"]["replicas"] = {"max": 1}
    if rounds > 1:
        stages = [{"repeat": {"times": rounds, "until": {"opinion": "yes"}, "stages": stages}}]
    stages.append({"use": "draw_noise", "with": {"side": 16}})
    manifest = write_rows(folder / "rows.jsonl", arguments.rows)
    config = write_config(folder / f"{engine}-{rounds}.yaml", manifest, stages, slice_size=8)
    run = datagen(config, folder / f"out-{engine}-{rounds}", "--engine", engine)
    held = memory_of_workers(run) if engine == "ray" else run.driver_peak
    print(
        f"  {engine}, {rounds} rounds: {run.seconds:.1f} s, start-up {run.startup:.1f}; workers {held / 1e6:.0f} MB; "
        f"at the peak, in MiB: {run.peak.text()}",
        flush=True,
    )
    return held


def memory_of_workers(run: Outcome) -> int:
    """Bytes of all processes that run stages when the whole tree took most."""
    by_kind = run.peak.by_kind
    return sum(by_kind[kind] for kind in by_kind if kind.startswith("worker ") and not kind.endswith("Agent"))


if __name__ == "__main__":
    main()
