"""What packing takes as datasets grow: memory of the driver, and seconds a sample.

    python benchmarks/pack.py [SMALL LARGE]

Packs synthetic samples of 2 kB each, few parts and many rows, once with SMALL (20,000)
and once with LARGE (400,000) of them, each in a process of its own. One job a shard runs in
other processes, as on Ray, so that what is measured is the driver. Prints how far its peak
memory grew over what it had before, the seconds a sample of the first pack, and of packing again when
nothing changed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa

from datagen.shards.columns import ACCEPTED
from datagen.shards.index import About
from datagen.shards.options import OutputOptions
from datagen.shards.pack import pack
from datagen.shards.shard import ShardDone, ShardJob
from datagen.storage.store import Store

SIZE = 2048
IN_PART = 20_000
AT_ONCE = 4096
ABOUT = About("bench", "", "f00d", 7, 0, 0, {}, 0, [], [], [], {}, [])
OPTIONS = OutputOptions(shard_mb=10)


def kilobytes() -> int:
    """The most memory that this process ever had."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def block(number: int) -> bytes:
    """The bytes of a sample; no tar, which packing does not ask for."""
    return f"{number:016d}".encode() * (SIZE // 16)


def write_parts(store: Store, samples: int) -> None:
    for start in range(0, samples, IN_PART):
        with store.writing(part_of(start)) as file:
            file.writelines(block(number) for number in range(start, min(start + IN_PART, samples)))


def part_of(number: int) -> str:
    return f"run/parts/{number // IN_PART:06d}.tar"


def row(number: int) -> dict[str, object]:
    """One in a hundred has the content of the one before."""
    offset = number % IN_PART * SIZE
    return {
        "slice": f"{number // 64:06d}-0123456789ab",
        "id": f"picture-{number:09d}#0",
        "key": f"picture-{number:09d}__0",
        "source_sha256": hashlib.sha256(f"{number // 3}".encode()).hexdigest(),
        "part": part_of(number),
        "offset": offset,
        "size": SIZE,
        "sha256": hashlib.sha256(block(number)).hexdigest(),
        "members": json.dumps({"json": [offset + 512, 512], "source.png": [offset + 1536, 512]}),
        "content": hashlib.sha256(f"{number - (number % 100 == 99)}".encode()).hexdigest(),
        "task": "subject_add",
        "instruction": f"Add <imagehere> to the left of the thing number {number} in <imagehere>.",
        "license": "CC0-1.0",
        "scores": json.dumps({"sharpness": number / 7}),
    }


def stream(samples: int) -> Callable[[Sequence[str]], Iterator[pa.Table]]:
    def rows(columns: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, samples, AT_ONCE):
            found = [row(number) for number in range(start, min(start + AT_ONCE, samples))]
            yield pa.Table.from_pylist(found, schema=ACCEPTED).select(list(columns))

    return rows


def measure(samples: int, folder: str) -> dict[str, float]:
    """Pack into `folder`, and pack again."""
    store = Store(folder)
    write_parts(store, samples)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:

        def map_jobs(work: Callable[[ShardJob], ShardDone], jobs: Iterable[ShardJob]) -> Iterable[ShardDone]:
            return pool.map(work, jobs)

        def packing(size: int) -> float:
            begun = time.perf_counter()
            pack(store, stream(size), options=OPTIONS, about=ABOUT, entries=f"{size}", map_jobs=map_jobs)
            return time.perf_counter() - begun

        packing(100)  # loads what is loaded once
        before = kilobytes()
        seconds = packing(samples)
        after = kilobytes()
        again = packing(samples)
    return {"samples": samples, "grown_mb": (after - before) / 1024, "seconds": seconds, "again": again}


def measured(samples: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, __file__, "--measure", str(samples), folder)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    each = found["seconds"] / samples * 1e6
    print(
        f"{samples:>9,} samples  driver grew {found['grown_mb']:7.1f} MB  "
        f"{found['seconds']:7.1f} s, {each:6.1f} us a sample  again {found['again'] * 1000:6.1f} ms"
    )
    return found


def main() -> None:
    """Print a line a size, and how they stand to each other."""
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(int(sys.argv[2]), sys.argv[3])))
        return
    small, large = (measured(int(number)) for number in (sys.argv[1:] or ("20000", "400000")))
    times = large["samples"] / small["samples"]
    print(
        f"{times:g} times the samples: {large['grown_mb'] / small['grown_mb']:.2f} times the memory, "
        f"{large['seconds'] / small['seconds'] / times:.2f} times the seconds a sample; "
        f"{(large['grown_mb'] - small['grown_mb']) * 2**20 / (large['samples'] - small['samples']):.0f} bytes "
        "of the driver a sample more"
    )


if __name__ == "__main__":
    main()
