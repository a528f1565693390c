"""world_complex_edit.yaml by hand: two processes, the same stage classes, no framework.

    python benchmarks/plain_sessions.py CONFIG OUT [--slice 16] [--processes 2]

The rival of sessions.py: the leanest honest script. Each process sets its stages up once, takes as many turns at once
as datagen has in a slice (whole sessions), drops what a stage rejects, and writes one tar for each chunk. No ledger, no
resume, no checks of what stages answer, no packing. Its last line is JSON: clock times of the first and the last chunk,
and counts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import cv2
import yaml
from plain_subject_add import answers_of, sample, settled

from datagen import Combine, Record, Reject, Stage
from datagen.pipeline.registry import find_stage
from datagen.shards.writer import write_part
from datagen.sources.world import WorldConfig

pipeline: list[tuple[Stage, dict[str, str]]] = []


def setup(config: dict[str, Any]) -> None:
    """Build this process' stages, with the options that the config gives them."""
    cv2.setNumThreads(1)
    cv2.ocl.setUseOpenCL(False)
    for entry in config["stages"]:
        cls = find_stage(entry["use"])
        stage = cls(cls.Config.model_validate(entry.get("with", {})), id=entry["use"], seed=config["seed"])
        stage.setup("cpu")
        pipeline.append((stage, entry.get("map", {})))


def through(records: list[Record]) -> list[Record]:
    """The records that no stage rejects or fails."""
    for stage, renamed in pipeline:
        wanted = (*stage.needs(stage.config), *stage.optional)
        if isinstance(stage, Combine):
            records = combined(stage, records, wanted, renamed)
        elif records:
            answers = answers_of(stage, [record.seeing(wanted, renamed=renamed) for record in records])
            records = [one for pair in zip(records, answers, strict=True) for one in settled(stage, renamed, *pair)]
    return records


def combined(stage: Combine, records: list[Record], wanted: tuple[str, ...], renamed: dict[str, str]) -> list[Record]:
    """The records that a Combine stage makes of each session."""
    made: list[Record] = []
    for _, group in groupby(records, key=lambda record: record[stage.by]):
        members = {record.id: record for record in group}
        answer = stage.process_group([each.seeing(wanted, renamed=renamed) for each in members.values()], [])
        for number, merged in enumerate([] if isinstance(answer, Reject) else answer):
            like = members[merged.like.id]
            fields = {renamed.get(name, name): value for name, value in merged.fields.items()}
            made.append(Record(f"{like.id}+{number}", {**like.raw(), **fields}, parent=like.id))
    return made


def handle(job: tuple[int, list[Record], str]) -> tuple[float, int, int]:
    """One chunk from rows to a tar; when it was done, and how many rows it had and samples it made."""
    number, rows, out = job
    samples = [sample(record) for record in through(rows)]
    if samples:
        with open(f"{out}/{number:06d}.tar", "wb") as file:
            write_part(file, samples)
    return time.time(), len(rows), len(samples)


def chunks(config: dict[str, Any], size: int, out: str) -> Iterator[tuple[int, list[Record], str]]:
    """The source's turns, so many at once."""
    source = {name: value for name, value in config["source"].items() if name != "kind"}
    rows = (Record(row.id, row.fields) for row in WorldConfig.model_validate(source).load().rows())
    number = 0
    while chunk := list(islice(rows, size)):
        yield number, chunk, out
        number += 1


def main() -> None:
    """Run the pool, and print when it did what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("out")
    parser.add_argument("--slice", type=int, default=16)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    config = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    with multiprocessing.Pool(arguments.processes, setup, (config,)) as pool:
        done = [*pool.imap_unordered(handle, chunks(config, arguments.slice, arguments.out))]
    times, rows, accepted = zip(*done, strict=True)
    counts = {"slices": len(done), "records": sum(rows), "accepted": sum(accepted)}
    print(json.dumps({"first": min(times), "last": max(times), **counts}))


if __name__ == "__main__":
    main()
