"""What it costs that shards which are symbolic links are hashed before they are read, as in the cache of a hub.

    python benchmarks/linked_shards.py [MB]

Reads one sample from each shard of a dataset of MB (default 256), then all samples, from plain files and from links.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "shards")]

from making import FIELDS, about, record, stored, streamed  # noqa: E402

import datagen  # noqa: E402
from datagen.shards.options import OutputOptions  # noqa: E402
from datagen.shards.pack import pack  # noqa: E402
from datagen.shards.sample import SampleSettings, compose  # noqa: E402
from datagen.storage.store import Store  # noqa: E402

SHARD_MB, SAMPLE_MB = 32, 2


def _make(folder: Path, *, megabytes: int) -> None:
    options = OutputOptions(shard_mb=SHARD_MB)
    settings = SampleSettings(catalogue=FIELDS, scored_by={}, unchecked=[], run="f00d", seed=7, images=options.images)
    samples = []
    for number in range(megabytes // SAMPLE_MB):
        sample = compose(record(f"r{number}", seed=number), settings=settings)
        samples.append(sample._replace(members={**sample.members, "ref_9.png": os.urandom(SAMPLE_MB * 1_000_000)}))
    store = Store(str(folder))
    rows = stored(store, samples)
    pack(store, streamed(rows), options=options, about=about(len(samples)))


def _link(folder: Path, target: Path) -> None:
    (target / "shards").mkdir(parents=True)
    for name in (
        "dataset.json",
        "index.parquet",
        "README.md",
        *(f"shards/{path.name}" for path in (folder / "shards").iterdir()),
    ):
        (target / name).symlink_to(folder / name)


def _measure(folder: Path) -> tuple[float, float, int]:
    """Seconds for one sample of each shard of a fresh dataset, seconds for all samples after that, and how many."""
    dataset = datagen.open(str(folder))
    firsts = {sample.shard: sample for sample in dataset}
    begun = time.perf_counter()
    for sample in firsts.values():
        sample.read("txt")
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    for sample in dataset:
        sample.read("txt")
    return first, time.perf_counter() - begun, len(dataset)


def main(megabytes: int = 256) -> None:
    """Print both, in turn."""
    with tempfile.TemporaryDirectory() as name:
        plain, linked = Path(name) / "plain", Path(name) / "linked"
        _make(plain, megabytes=megabytes)
        _link(plain, linked)
        _measure(plain)  # reads the files into the page cache
        for round in range(3):
            for kind, folder in (("plain", plain), ("linked", linked)):
                first, rest, number = _measure(folder)
                print(
                    f"{round} {kind:<6} first read of all shards {first:6.3f} s ({megabytes / first:8,.0f} MB/s), "
                    f"then {1e6 * rest / number:6.0f} µs a read"
                )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
