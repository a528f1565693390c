"""The trainer's loader alone, against a bare webdataset pipeline that decodes and resizes with the same functions.

    python benchmarks/loader.py [--out OUT] [--size 128] [--samples 600] [--runs 5]

Both give batches of examples: pictures of one size, words and boxes. Ours reads the samples in the order of a plan, one
range a sample; the pipeline reads shards from beginning to end and shuffles in a buffer. Each is a process of its own,
the two take turns, and the median of the runs counts; start-up and the first batch are left out. Without `--out`,
worlds of 256 px are drawn. `workers` are processes that load; with 0 each has one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from measuring import verdict, watched, workplace
from train_ip2p import drawn_worlds

import datagen
from datagen.shards.index import read_dataset
from datagen.storage.store import Store
from datagen.train.data.examples import make_example
from datagen.train.data.loading import PlannedBatches, loaded
from datagen.train.data.plan import TrainingPlan
from datagen.train.data.selection import Needs, select

BATCH = 16
RATE = "samples a second: "


def main() -> None:
    """Print a line for each run and one for each figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--samples", type=int, default=600)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--loader", choices=["ours", "bare"], help="load with one of them, and print its rate")
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.loader:
        print(f"{RATE}{timed(arguments)}")
        return
    os.environ["OMP_NUM_THREADS"] = "1"
    with workplace() as folder:
        out = (arguments.out or drawn_worlds(folder / "out", side=256)).resolve()
        for workers in (0, 2):
            rates: dict[str, list[float]] = {"ours": [], "bare": []}
            for _ in range(arguments.runs):
                for loader, found in rates.items():
                    options = {**vars(arguments), "out": out, "loader": loader, "workers": workers}
                    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
                    done = watched([sys.executable, __file__, *words], interval=15)
                    line = next(line for line in done.output.splitlines() if line.startswith(RATE))
                    found.append(float(line.removeprefix(RATE)))
                print("  " + "; ".join(f"{name} {found[-1]:.1f}" for name, found in rates.items()), flush=True)
            ours, bare = (median(found) for found in rates.values())
            what = f"loader, {workers} workers, ratio to bare webdataset"
            verdict(what, ours / bare, limit=0.95, least=True, more=f"{ours:.1f} against {bare:.1f} samples a second")


def timed(arguments: argparse.Namespace) -> float:
    """Samples a second."""
    steps = arguments.samples // BATCH
    with ExitStack() as stack:
        batches = stack.enter_context(_ours(arguments, steps)) if arguments.loader == "ours" else _bare(arguments)
        next(batches)
        begun = time.perf_counter()
        number = sum(len(batch) for batch in islice(batches, steps - 1))
        return number / (time.perf_counter() - begun)


def _selection(out: Path, size: int) -> tuple[Any, Any]:
    dataset = datagen.open(str(out), split="train")
    return dataset, select(dataset, Needs(), sizes=[(size, size)])


def _ours(arguments: argparse.Namespace, steps: int) -> Any:
    dataset, chosen = _selection(arguments.out, arguments.size)
    plan = TrainingPlan([[range(len(chosen.numbers))]], weights=[1.0], batch_size=BATCH, seed=0)
    sizes = [(arguments.size, arguments.size)]
    planned = PlannedBatches([dataset], [chosen], plan, sizes=sizes, flip=0.5)
    return loaded(planned, range(steps), workers=arguments.workers, threads=1)


def _bare(arguments: argparse.Namespace) -> Iterator[list[Any]]:
    import torch
    import webdataset

    _, chosen = _selection(arguments.out, arguments.size)
    known = {facts.key: facts for facts in chosen.facts}
    size = (arguments.size, arguments.size)

    def example(sample: dict[str, Any]) -> Any:
        members = {name: data for name, data in sample.items() if not name.startswith("__")}
        return make_example(members, known[sample["__key__"]], size=size, draw=(0,), flip=0.5)

    shards = [
        str(arguments.out / shard.path)
        for shard in read_dataset(Store(str(arguments.out))).shards
        if shard.split == "train"
    ]
    read = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False, nodesplitter=None)
    pipeline = (
        read.repeat()
        .shuffle(1000 // max(arguments.workers, 1))
        .select(lambda sample: sample["__key__"] in known)
        .map(example)
        .batched(BATCH, collation_fn=list)
    )
    if not arguments.workers:
        return iter(pipeline)
    return iter(torch.utils.data.DataLoader(pipeline, batch_size=None, num_workers=arguments.workers))


if __name__ == "__main__":
    main()
