"""What it costs to keep a reply, and to find it: as a note, and as a file of its own.

    python benchmarks/append_log.py

Then how long a worker takes to learn of all that earlier runs kept, and how much memory that takes.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import psutil

from datagen.storage.append_log import AppendLog
from datagen.storage.store import Store

SIZE = 300
"""Bytes of a short reply with its checksum."""


def key(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


def each_us(work: Callable[[int], object], count: int) -> float:
    start = time.perf_counter()
    for number in range(count):
        work(number)
    return (time.perf_counter() - start) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--known", type=int, default=200_000)
    arguments = parser.parse_args()
    data = b"x" * SIZE
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            store = Store(folder)
            notes = AppendLog(store, "notes")
            remaining = each_us(lambda number: notes.add(key(number), data), arguments.count)  # noqa: B023
            filed = each_us(lambda number: store.write(f"files/{key(number)}", data), arguments.count)  # noqa: B023
            found = each_us(lambda number: notes.find(key(number)), arguments.count)  # noqa: B023
            read = each_us(lambda number: store.find(f"files/{key(number)}"), arguments.count)  # noqa: B023
            missed = each_us(lambda number: notes.find(key(-1 - number)), arguments.count)  # noqa: B023
        print(
            f"keep {remaining:.0f} us, a file of its own {filed:.0f} us: ratio {filed / remaining:.1f}; "
            f"find {found:.0f} us, a file {read:.0f} us: ratio {read / found:.1f}; find none {missed:.0f} us"
        )
    with tempfile.TemporaryDirectory() as folder:
        writer = AppendLog(Store(folder), "notes")
        for number in range(arguments.known):
            writer.add(key(number), data)
        del writer
        process = psutil.Process()
        before, start = process.memory_info().rss, time.perf_counter()
        reader = AppendLog(Store(folder), "notes")
        reader.find(key(-1))
        took, held = time.perf_counter() - start, process.memory_info().rss - before
        print(
            f"{arguments.known:,} notes known after {took:.2f} s, "
            f"{took / arguments.known * 1e6:.1f} us and {held / arguments.known:.0f} bytes of memory each"
        )


if __name__ == "__main__":
    main()
