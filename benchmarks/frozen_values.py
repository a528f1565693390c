"""What it costs that stages get frozen copies of lists and dicts, and that these are compared afterwards.

    python benchmarks/frozen_values.py [--runs 9]

Two chains in one process, each with and without freezing, alternating: the demo's pictures read, measured and expanded
to their objects; and the same objects without pictures, where stages do little else than read lists. Measures seconds
of a core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from datagen.core import record
from datagen.execute.reuse.run_context import RunContext
from datagen.execute.run import worker_context_of
from datagen.execute.workers.operators import fuse
from datagen.execute.workers.slices import Job, cut
from datagen.execute.workers.state import SliceState
from datagen.execute.workers.worker import Worker
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.storage.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))  # where the toy stages are

BOXES = [{"use": "expand_objects"}, {"use": "filter_box", "with": {"min_ratio": 0.001, "max_ratio": 1}}]
LAST = {"use": "paint", "map": {"sharpness": "match"}}
"""A sample needs a picture and an instruction; this makes one of 4 x 4 pixels."""
CHAINS = {
    "with pictures": [{"use": "read_image"}, {"use": "filter_quality"}, *BOXES, LAST],
    "objects alone": [BOXES[0], LAST],
}
"""Stages whose answers do not depend on chance or a model."""


def main() -> None:
    """Print one line for each chain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    for name, stages in CHAINS.items():
        pairs = [(_seconds(stages), _without(stages)) for _ in range(runs)]
        frozen, plain = (median(pair[side] for pair in pairs) for side in (0, 1))
        ratio = median(pair[0] / pair[1] for pair in pairs)
        print(f"{name}: {frozen:.3f} s frozen, {plain:.3f} s without, ratio {ratio:.3f}")


def _without(stages: list[dict[str, Any]]) -> float:
    with _handing_out_originals():
        return _seconds(stages)


@contextmanager
def _handing_out_originals() -> Iterator[None]:
    """Stages get the very lists and dicts of the record."""
    before = record.frozen
    record.frozen = lambda value, *, name: value  # noqa: ARG005
    try:
        yield
    finally:
        record.frozen = before


def _seconds(stages: list[dict[str, Any]]) -> float:
    """Seconds of a core for the demo's manifest."""
    source = {"kind": "manifest", "path": "manifests/demo.jsonl"}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "chain.yaml"
        data = {"pipeline": "chain", "plugins": ["toys"], "source": source, "stages": stages}
        config.write_text(yaml.safe_dump(data))
        graph = build(load(config))
        state = SliceState.start(Job(next(cut(graph.source, size=64))), catalogue=graph.catalogue)
        context = worker_context_of(RunContext.of(graph, store=Store(f"{folder}/out")))
        workers = [Worker(operator, context) for operator in fuse(graph)]
        for worker in workers:
            worker.setup()
        start = time.process_time()
        for worker in workers:
            worker.run([state])
        return time.process_time() - start


if __name__ == "__main__":
    main()
