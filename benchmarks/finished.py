"""Going on with a run that is finished: how long it takes to see that nothing is to be done.

    python benchmarks/finished.py [--slices 10000] [--runs 3]

Runs a cheap pipeline over slices of one source each, then the same command
again. Measures the second command's whole wall time: under 15 s. The rival in the
same run is `python -c "import ray; ray.init()"`, which it need not even pay.
"""

from __future__ import annotations

import argparse
import sys
from statistics import median

from measuring import datagen, verdict, watched, workplace, write_config, write_rows

RAY = "import ray; ray.init(include_dashboard=True, log_to_driver=False)"


def main() -> None:
    """Print one line for the first run and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with workplace() as folder:
        manifest = write_rows(folder / "rows.jsonl", arguments.slices)
        stages = [{"use": "draw_noise", "with": {"side": 4}}]
        config = write_config(folder / "finished.yaml", manifest, stages, slice_size=1)
        first = datagen(config, folder / "out")
        print(
            f"  first run: {first.seconds:.1f} s, start-up {first.startup:.1f}, steady {first.steady:.1f} "
            f"({arguments.slices / max(first.steady, 1e-9):.0f} slices a second), then {first.rest - first.steady:.1f}",
            flush=True,
        )
        pairs = [
            (datagen(config, folder / "out"), watched([sys.executable, "-c", RAY]).seconds)
            for _ in range(arguments.runs)
        ]
    again = median(run.seconds for run, _ in pairs)
    details = f"driver {pairs[-1][0].driver_peak / 1e6:.0f} MB; ray.init alone {median(ray for _, ray in pairs):.1f} s"
    verdict(f"going on with {arguments.slices} finished slices", again, limit=15, unit=" s", more=details)


if __name__ == "__main__":
    main()
