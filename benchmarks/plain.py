"""What the plain rivals share: a config's stages in a pool of processes, without the framework.

Each process sets its stages up once and takes a chunk of records at once; records that a stage rejects are dropped, and
each chunk's samples, composed as datagen composes them, become one tar. No ledger, no resume, no checks of what stages
answer, no packing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import cv2

from datagen import AsyncMap, Combine, Expand, Failed, Record, Reject, Stage
from datagen.core.fields import catalogue
from datagen.pipeline.config import load
from datagen.pipeline.graph import build
from datagen.pipeline.registry import find_stage
from datagen.shards.options import ImageOptions
from datagen.shards.sample import SampleSettings, StoredSample, compose
from datagen.shards.writer import write_part

FIELDS = catalogue()

pipeline: list[tuple[Stage, dict[str, str]]] = []


def setup(config: Path) -> None:
    """Build this process' stages, with the options that the config and its default profile give them."""
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
    loaded = load(config)
    for node in build(loaded).nodes:
        stage = find_stage(node.use)(node.config, id=node.id, seed=loaded.pipeline.seed)
        stage.setup("cpu")
        pipeline.append((stage, dict(node.renamed)))


def through(records: list[Record]) -> list[Record]:
    """The records that no stage rejects or fails."""
    for stage, renamed in pipeline:
        if not records:
            break
        wanted = (*stage.needs(stage.config), *stage.optional)
        if isinstance(stage, Combine):
            records = combined(stage, records, wanted, renamed)
            continue
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
    if isinstance(stage, Expand):
        return [record.child(str(number), named(fields, renamed)) for number, fields in enumerate(answer)]
    return [record.adding(named(answer, renamed))]


def combined(stage: Combine, records: list[Record], wanted: tuple[str, ...], renamed: dict[str, str]) -> list[Record]:
    """The records that a Combine stage makes of each group of the source."""
    made: list[Record] = []
    for _, group in groupby(records, key=lambda record: record[stage.by]):
        members = {record.id: record for record in group}
        answer = stage.process_group([each.seeing(wanted, renamed=renamed) for each in members.values()], [])
        for number, merged in enumerate([] if isinstance(answer, Reject | Failed) else answer):
            like = members[merged.like.id]
            fields = {**like.raw(), **named(merged.fields, renamed)}
            made.append(Record(f"{like.id}+{number}", fields, parent=like.id))
    return made


def named(fields: Any, renamed: dict[str, str]) -> dict[str, Any]:
    """A stage's fields by the pipeline's names."""
    return {renamed.get(name, name): value for name, value in fields.items()}


def sample(record: Record) -> StoredSample:
    """A record as the members of its sample."""
    options = ImageOptions(format="png")
    settings = SampleSettings(FIELDS, scored_by={}, unchecked=(), run="plain", seed=8, images=options)
    return compose(record, settings=settings)


def handle(job: tuple[int, list[Record], str]) -> tuple[float, int, int]:
    """One chunk from records to a tar; when it was done, and how many records it had and samples it made."""
    number, records, out = job
    samples = [sample(record) for record in through(records)]
    if samples:
        with open(f"{out}/{number:06d}.tar", "wb") as file:
            write_part(file, samples)
    return time.time(), len(records), len(samples)


def chunks(records: Iterable[Record], size: int, out: str) -> Iterator[tuple[int, list[Record], str]]:
    """So many records at once."""
    left, number = iter(records), 0
    while chunk := list(islice(left, size)):
        yield number, chunk, out
        number += 1


def parser(about: str | None, *, slice_size: int) -> argparse.ArgumentParser:
    """The options of every rival."""
    found = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--slice", type=int, default=slice_size)
    found.add_argument("--processes", type=int, default=2)
    return found


def run(config: Path, records: Iterable[Record], arguments: argparse.Namespace) -> None:
    """Run the pool, and print JSON: clock times of the first and the last chunk, and counts."""
    os.makedirs(arguments.out, exist_ok=True)
    with multiprocessing.Pool(arguments.processes, setup, (config,)) as pool:
        done = [*pool.imap_unordered(handle, chunks(records, arguments.slice, arguments.out))]
    times, rows, accepted = zip(*done, strict=True)
    counts = {"slices": len(done), "records": sum(rows), "accepted": sum(accepted)}
    print(json.dumps({"first": min(times), "last": max(times), **counts}))
