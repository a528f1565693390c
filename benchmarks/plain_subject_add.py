"""configs/subject_add.yaml by hand: two processes, the same stage classes, no framework.

    python benchmarks/plain_subject_add.py MANIFEST OUT [--slice 8] [--processes 2]

The rival of throughput.py: the leanest honest script. Each process sets its
stages up once and takes rows of the manifest in chunks, so many at once as
datagen has in a slice; records that a stage rejects are dropped, samples are
composed as datagen composes them and written as one tar a chunk. No ledger, no
resume, no checksum of what came out, no packing. Its last line is JSON: clock
times of the first and the last chunk, and counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2
import yaml

from datagen import AsyncMap, Expand, Failed, Record, Reject, Stage
from datagen.core.fields import catalogue
from datagen.shards.options import ImageOptions
from datagen.shards.sample import SampleSettings, StoredSample, compose
from datagen.shards.writer import write_part
from stages.check_completeness import CheckCompleteness
from stages.check_removal import CheckRemoval
from stages.cut_out_subject import CutOutSubject
from stages.expand_objects import ExpandObjects
from stages.filter_foreground import FilterForeground
from stages.filter_quality import FilterQuality
from stages.measure_removal import MeasureRemoval
from stages.read_image import ReadImage
from stages.remove_subject import RemoveSubject
from stages.segment_subject import SegmentSubject
from stages.write_instruction import WriteInstruction

CONFIG = Path(__file__).resolve().parent.parent / "configs" / "subject_add.yaml"
STAGES: dict[str, type[Stage]] = {
    "read_image": ReadImage,
    "filter_quality": FilterQuality,
    "expand_objects": ExpandObjects,
    "segment_subject": SegmentSubject,
    "filter_foreground": FilterForeground,
    "check_completeness": CheckCompleteness,
    "remove_subject": RemoveSubject,
    "measure_removal": MeasureRemoval,
    "check_removal": CheckRemoval,
    "cut_out_subject": CutOutSubject,
    "write_instruction": WriteInstruction,
}
FIELDS = catalogue()
DEFAULTS = {"sha256": "", "license": "", "credit": "", "caption": "", "session": "", "objects": [], "base": "/"}
OBJECT = {"polygons": [], "mask": None, "attributes": []}

pipeline: list[tuple[Stage, dict[str, str]]] = []


def setup() -> None:
    """Build this process' stages, with the options that the config gives them."""
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    for entry in config["stages"]:
        cls = STAGES[entry["use"]]
        stage = cls(cls.Config.model_validate(entry.get("with", {})), id=entry["use"], seed=config["seed"])
        stage.setup("cpu")
        pipeline.append((stage, entry.get("map", {})))


def through(records: list[Record]) -> list[Record]:
    """The records that no stage rejects or fails."""
    for stage, renamed in pipeline:
        if not records:
            break
        wanted = (*stage.needs(stage.config), *stage.optional)
        answers = answers_of(stage, [record.seeing(wanted, renamed=renamed) for record in records])
        records = [each for pair in zip(records, answers, strict=True) for each in settled(stage, renamed, *pair)]
    return records


def answers_of(stage: Any, views: list[Record]) -> list[Any]:
    """What a stage says of each record."""
    if not isinstance(stage, AsyncMap):
        return list(stage.process(views))

    async def together() -> list[Any]:
        return await asyncio.gather(*(stage.process_one(view) for view in views))

    return asyncio.run(together())


def settled(stage: Stage, renamed: dict[str, str], record: Record, answer: Any) -> list[Record]:
    """What goes on of a record."""
    if isinstance(answer, Reject | Failed):
        return []
    answers = answer if isinstance(stage, Expand) else [answer]
    named = [{renamed.get(name, name): value for name, value in fields.items()} for fields in answers]
    if isinstance(stage, Expand):
        return [record.child(str(number), fields) for number, fields in enumerate(named)]
    return [record.adding(named[0])]


def sample(record: Record) -> StoredSample:
    """A record as the members of its sample."""
    options = ImageOptions(format="png")
    settings = SampleSettings(FIELDS, scored_by={}, unchecked=(), run="plain", seed=8, images=options)
    return compose(record, settings=settings)


def handle(job: tuple[int, list[dict[str, Any]], str]) -> tuple[float, int, int]:
    """One chunk from rows to a tar; when it was done, and how many rows it had and samples it made."""
    number, rows, out = job
    records = through([record_of(row) for row in rows])
    samples = [sample(record) for record in records]
    if samples:
        with open(f"{out}/{number:06d}.tar", "wb") as file:
            write_part(file, samples)
    return time.time(), len(rows), len(samples)


def record_of(row: dict[str, Any]) -> Record:
    """A line of the manifest as a record."""
    fields = {**DEFAULTS, **{name: value for name, value in row.items() if name != "id"}}
    return Record(row["id"], {**fields, "objects": [{**OBJECT, **thing} for thing in fields["objects"]]})


def chunks(manifest: Path, size: int, out: str) -> Iterator[tuple[int, list[dict[str, Any]], str]]:
    """Rows of the manifest, so many at once."""
    with manifest.open(encoding="utf-8") as file:
        number = 0
        while rows := [json.loads(line) for line in islice(file, size)]:
            yield number, rows, out
            number += 1


def main() -> None:
    """Run the pool, and tell when it did what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("out")
    parser.add_argument("--slice", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    done = []
    with multiprocessing.Pool(arguments.processes, setup) as pool:
        for found in pool.imap_unordered(handle, chunks(arguments.manifest, arguments.slice, arguments.out)):
            done.append(found)
    times, rows, accepted = zip(*done, strict=True)
    counts = {"slices": len(done), "records": sum(rows), "accepted": sum(accepted)}
    print(json.dumps({"first": min(times), "last": max(times), **counts}))


if __name__ == "__main__":
    main()
