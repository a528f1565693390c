"""What it saves to compute a picture's edges and spectrum once for all guesses and all pictures it is compared with.

    python benchmarks/alignment.py [--sessions 12] [--rounds 3]

Estimates the movement of all windows of drawn sessions, once as `estimate_alignment` does it, once with edges and
spectra computed anew wherever they are used. Both have to be equal to the bit. Time is the process's own, medians.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from datagen.imaging import alignment
from datagen.imaging.alignment import Alignment, estimate_alignment
from datagen.imaging.image import Pixels
from datagen.imaging.recent_values import RecentValues
from datagen.measure.truth import true_sessions
from datagen.sources.drawn.world import WorldConfig

LIMIT = 0.8
Pair = tuple[Pixels, Pixels]


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    world = WorldConfig(count=arguments.sessions, damages=("drift", "shift", "grain", "all"), strengths=(1, 2))
    pairs = [
        (before.array, after.array)
        for session in true_sessions(world.load().rows())
        for before, after in map(session.pictures, session.windows(least=1, most=None))
    ]
    rounds = [(timed(pairs, forgets=False), timed(pairs, forgets=True)) for _ in range(arguments.rounds)]
    assert all(ours[1] == theirs[1] for ours, theirs in rounds), "what is remembered changes an estimate"
    ours, theirs = (median(pair[side][0] for pair in rounds) for side in (0, 1))
    figures = f"{ours:.1f} and {theirs:.1f} ms a pair of {len(pairs)}"
    print(f"once over anew: {ours / theirs:.2f}, at most {LIMIT} ({figures})")
    if ours > LIMIT * theirs:
        raise SystemExit(1)


def timed(pairs: list[Pair], *, forgets: bool) -> tuple[float, list[Alignment]]:
    """Milliseconds a pair, and the estimates."""
    analysed = alignment._AnalysedPicture
    computed = {name: vars(analysed)[name] for name in ("edges", "inner_edges", "spectrum")}
    for name, once in computed.items():
        setattr(analysed, name, property(once.func) if forgets else once)
    alignment._views = RecentValues(alignment._REMEMBERED)
    begun = time.process_time()
    found = [estimate_alignment(*pair) for pair in pairs]
    taken_ms = (time.process_time() - begun) * 1000
    for name, once in computed.items():
        setattr(analysed, name, once)
    return taken_ms / len(pairs), found


if __name__ == "__main__":
    main()
