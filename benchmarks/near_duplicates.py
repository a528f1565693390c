"""What it costs to find near duplicates: hashes of 256 bits, of which one in twenty is a copy with 6 bits changed.

    OMP_NUM_THREADS=1 python benchmarks/near_duplicates.py 1000000 24
    OMP_NUM_THREADS=1 python benchmarks/near_duplicates.py 20000 24 --against-all

With --against-all every two are compared as well, and the pairs have to be the same.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from datagen.imaging.perceptual_hash import Words
from datagen.shards.hamming_search import near_pairs

COPIES = 20
FLIPPED = 6


def hashes(number: int) -> Words:
    """Random hashes, the last of them copies of earlier ones."""
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**64, (number, 4), dtype=np.uint64)
    copies = np.arange(number - number // COPIES, number)
    words[copies] = words[rng.integers(0, number // 2, len(copies))]
    for _ in range(FLIPPED):
        words[copies, rng.integers(0, 4, len(copies))] ^= np.uint64(1) << rng.integers(0, 64, len(copies), np.uint64)
    return words


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("number", type=int)
    parser.add_argument("within", type=int)
    parser.add_argument("--against-all", action="store_true")
    requests = parser.parse_args()
    words = hashes(requests.number)
    start = time.process_time()
    found = near_pairs(words, within=requests.within)
    took = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    details = f"{len(found.one):,} pairs, {took:.1f} s of one core, {peak:.0f} MiB"
    print(f"{requests.number:,} hashes within {requests.within} bits: {details}")
    if requests.against_all:
        start = time.process_time()
        pairs = 0
        for row in range(requests.number - 1):
            bits = np.bitwise_count(words[row] ^ words[row + 1 :]).sum(axis=1)
            pairs += int((bits <= requests.within).sum())
        print(f"every two compared: {pairs:,} pairs, {time.process_time() - start:.1f} s")
        assert pairs == len(found.one)


if __name__ == "__main__":
    main()
