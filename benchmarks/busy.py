"""How busy a stage shaped like a GPU is kept behind a filter that rejects nearly all.

    python benchmarks/busy.py [--records 60000] [--slice 64] [--tries 1]

decode -> filter (97 % rejected) -> a stage of its own whose call sleeps 20 ms
whether it is given 1 record or 16 -> an API call of half a second -> samples.
Measures the share of the wall time between the stage's first and last call that
was spent inside its calls, by what each call notes in a file: at least 0.9. To
be that busy it needs some 50 survivors a second, so 1,500 sources a second
through decode and filter at 97 %; survivors a second and the mean batch are told
beside it, as is the rival: the same stages in one process, one slice after
another (`--engine local`), over a tenth of the records.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from measuring import datagen, verdict, workplace, write_config, write_rows


class Calls(NamedTuple):
    """What the stage's notes say."""

    share: float
    seconds: float
    records: int
    batch: float

    def text(self) -> str:
        return (
            f"busy {self.share:.3f} of {self.seconds:.1f} s, {self.records} survivors, "
            f"{self.records / self.seconds:.0f} a second, {self.batch:.1f} a call"
        )


def stages(log: Path, share: float) -> list[dict[str, Any]]:
    """What is asked of the GPU is a worker of its own, which reserves next to nothing."""
    alone = {"cpus": 0.01, "batch_size": 16, "replicas": {"min": 1, "max": 1}}
    return [
        {"use": "decode_dot"},
        {"use": "sift_most", "with": {"share": share}},
        {"use": "look_slowly", "with": {"log": str(log)}, "resources": alone},
        {"use": "ask_service", "resources": {"concurrency": 64}},
    ]


def main() -> None:
    """Print one line a run and one for the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=60_000)
    parser.add_argument("--slice", type=int, default=64)
    parser.add_argument("--share", type=float, default=0.97, help="how many the filter rejects")
    parser.add_argument("--tries", type=int, default=1)
    arguments = parser.parse_args()
    with workplace() as folder:
        for number in range(arguments.tries):
            alone = measured(folder / f"local{number}", arguments, arguments.records // 10, "--engine", "local")
            print(f"  one process: {alone.text()}", flush=True)
            ours = measured(folder / f"ray{number}", arguments, arguments.records)
            details = f"{ours.text()}; one process: {alone.share:.3f}"
            verdict("GPU-shaped stage, busy share", ours.share, limit=0.9, least=True, more=details)


def measured(folder: Path, arguments: argparse.Namespace, records: int, *more: str) -> Calls:
    """A run, and what its calls noted."""
    log = folder / "calls"
    log.mkdir(parents=True)
    manifest = write_rows(folder / "rows.jsonl", records)
    config = write_config(folder / "busy.yaml", manifest, stages(log, arguments.share), slice_size=arguments.slice)
    datagen(config, folder / "out", *more)
    return read(log)


def read(log: Path) -> Calls:
    """All calls of all workers."""
    lines = [line.split() for path in log.iterdir() for line in path.read_text(encoding="utf-8").splitlines()]
    calls = sorted((float(begun), float(ended), int(number)) for begun, ended, number in lines)
    wall = max(ended for _, ended, _ in calls) - calls[0][0]
    records = sum(number for *_, number in calls)
    return Calls(sum(ended - begun for begun, ended, _ in calls) / wall, wall, records, records / len(calls))


if __name__ == "__main__":
    main()
