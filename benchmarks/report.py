"""How long the report of a large run takes, and how many bytes it has.

    python benchmarks/report.py [--records 100000] [--out FOLDER]

Makes a finished dataset as a run would leave it: a ledger of slices, parts and shards of small drawn
pictures (some hundred distinct ones, so that making them does not take hours), three judging stages,
some failures. Then `python -m datagen report` is run on it as a process of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
from measuring import verdict, watched, workplace

from datagen.core.fields import catalogue
from datagen.core.record import Record
from datagen.execute.ledger.compaction import compact
from datagen.execute.ledger.ledger import Ledger, Row, to_table
from datagen.execute.ledger.ledger_audit import accepted_tables, audit_ledger
from datagen.execute.reuse.run_manifest import stages_file
from datagen.imaging.image import Image
from datagen.shards.index import About, StageRow
from datagen.shards.options import ImageOptions, OutputOptions
from datagen.shards.pack import pack
from datagen.shards.sample import SampleSettings, StoredSample, compose
from datagen.shards.writer import write_part
from datagen.storage.store import Store

SECONDS, MEGABYTES = 20.0, 30.0
PRINT = "0123456789abcdef"
ROWS_A_SLICE = 64
DISTINCT = 200
WIDTH, HEIGHT = 320, 240
OPTIONS = OutputOptions(images=ImageOptions(format="jpg"), shard_mb=256)
STAGES: dict[str, dict[str, Any]] = {
    "filter_quality": {
        "options": {"min_contrast": 0.15, "min_sharpness": 50.0},
        "thresholds": [
            {"score": "contrast", "keeps": "least", "option": "min_contrast", "reason": "flat"},
            {"score": "sharpness", "keeps": "least", "option": "min_sharpness", "reason": "blurred"},
        ],
    },
    "filter_foreground": {
        "options": {"min_ratio": 0.1, "max_ratio": 0.5},
        "thresholds": [
            {"score": "foreground_ratio", "keeps": "least", "option": "min_ratio", "reason": "too_small"},
            {"score": "foreground_ratio", "keeps": "most", "option": "max_ratio", "reason": "too_large"},
        ],
    },
    "check_removal": {
        "options": {"max_seam": 2.5},
        "thresholds": [{"score": "seam", "keeps": "most", "option": "max_seam", "reason": "visible_seam"}],
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=None, help="keep what is made here")
    options = parser.parse_args()
    with workplace() as folder:
        out = options.out or folder / "out"
        if not (out / "dataset.json").exists():
            make(out, records=options.records)
        done = watched([sys.executable, "-m", "datagen", "report", str(out)])
        size = (out / "report" / "index.html").stat().st_size
        print(done.output.strip())
        peak = f"{done.driver_peak / 1e6:.0f} MB of memory at most"
        good = verdict(f"report of {options.records:,} records", done.seconds, limit=SECONDS, unit=" s", more=peak)
        good &= verdict("its size", size / 1e6, limit=MEGABYTES, unit=" MB")
    sys.exit(0 if good else 1)


def make(out: Path, *, records: int) -> None:
    """A finished dataset of so many records, the same every time."""
    store = Store(str(out))
    ledger = Ledger(store, PRINT)
    values = {id: {"fingerprint": PRINT, "use": id, "version": 1, "models": [], **more} for id, more in STAGES.items()}
    store.write(stages_file(PRINT), json.dumps(values).encode())
    store.write("run/config.yaml", b"pipeline: figures\nstages: []\n")
    rng = np.random.default_rng(0)
    samples = [_sample(number) for number in range(DISTINCT)]
    cut = {}
    for number, start in enumerate(range(0, records, ROWS_A_SLICE)):
        size = min(ROWS_A_SLICE, records - start)
        name = f"{number:06d}-{hashlib.sha256(str(number).encode()).hexdigest()[:12]}"
        ledger.commit(name, to_table(_rows(store, name, start, size, samples, rng)))
        cut[name] = size
    compact(ledger)
    ledger.enter_slices(cut)
    ledger.enter_dropped([])
    counts = audit_ledger(ledger, cut).counts
    about = About(
        pipeline="figures", description="", fingerprint=PRINT, seed=0, sources=records, records=counts.records,
        rejected=counts.rejected, failed=counts.failed, stages=[StageRow(id=id, use=id, version=1) for id in STAGES],
        non_deterministic=[], fields=list(catalogue().values()), model_licenses={}, unchecked=[],
    )  # fmt: skip
    pack(store, lambda columns: _accepted(ledger, cut, list(columns)), options=OPTIONS, about=about)


def _accepted(ledger: Ledger, cut: dict[str, int], columns: list[str]) -> Iterator[pa.Table]:
    return accepted_tables(ledger, cut, columns=columns)


def _sample(number: int) -> StoredSample:
    """A drawn picture without and with a disc."""
    rng = np.random.default_rng(number)
    before = cv2.resize(rng.integers(0, 256, (12, 16, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    x, y, radius = (int(rng.integers(40, limit)) for limit in (WIDTH - 40, HEIGHT - 40, 60))
    disc = cv2.circle(np.zeros((HEIGHT, WIDTH), np.uint8), (x, y), radius, 1, -1).astype(np.bool_)
    after = before.copy()
    after[disc] = rng.integers(0, 256, 3, np.uint8)
    box = (max(x - radius, 0), max(y - radius, 0), min(x + radius, WIDTH), min(y + radius, HEIGHT))
    fields = {
        "task": f"task_{number % 3}", "subject": "disc", "instruction": "Add a disc.", "source": Image.of(before),
        "target": Image.of(after), "masks": [disc], "uri": f"pictures/{number}.png", "license": "CC0-1.0",
        "edits": [{"op": "add", "object": "disc", "box": box, "mask": "mask_0"}],
    }  # fmt: skip
    return compose(
        Record(f"s{number}", fields),
        settings=SampleSettings(catalogue(), scored_by={}, unchecked=(), run=PRINT, seed=0, images=OPTIONS.images),
    )


def _rows(
    store: Store, slice: str, start: int, size: int, samples: list[StoredSample], rng: np.random.Generator
) -> list[Row]:
    rows = [_row(slice, f"r{start + place:07d}", rng) for place in range(size)]
    remaining = [row for row in rows if row.status == "accepted"]
    stored = [
        samples[rng.integers(len(samples))]._replace(key=row.id, content=f"{row.id}", info=samples[0].info)
        for row in remaining
    ]
    part = f"run/parts/{PRINT}/{slice}-{slice[-8:]}.tar"
    with store.writing(part) as file:
        placed = write_part(file, stored)
    for row, sample, place in zip(remaining, stored, placed, strict=True):
        row.key, row.part, row.offset, row.size = sample.key, part, place.offset, place.size
        row.members, row.content, row.sha256 = json.dumps(place.members), place.content, place.sha256
        row.task, row.instruction, row.license = f"task_{place.offset % 3}", "Add a disc.", "CC0-1.0"
    return rows


def _row(slice: str, id: str, rng: np.random.Generator) -> Row:
    """A record that goes through the stages until one is not content with its scores."""
    scores: dict[str, float] = {}
    took: dict[str, float] = {}
    row = Row(id=id, parent="", status="accepted", slice=slice, source_uri=f"nowhere/{id}.png", source_sha256=id)
    drawn = {
        "contrast": float(rng.beta(4, 4)), "sharpness": float(rng.lognormal(5.5, 1)),
        "foreground_ratio": float(rng.beta(2, 5)), "seam": float(rng.gamma(3, 0.5)),
    }  # fmt: skip
    for stage, about in STAGES.items():
        took[stage] = round(float(rng.gamma(2, 0.01)), 6)
        scores |= {rule["score"]: drawn[rule["score"]] for rule in about["thresholds"]}
        broken = [rule["reason"] for rule in about["thresholds"] if _is_broken(rule, about["options"], scores)]
        if broken:
            row.status, row.stage, row.reason = "rejected", stage, broken[0]
            break
        if rng.random() < 0.001:
            row.status, row.stage, row.reason = "failed", stage, "error"
            row.detail = f"pictures/{id}.png: the picture is damaged at byte {rng.integers(10**6)}"
            break
    row.scores, row.seconds = json.dumps(scores), json.dumps(took)
    row.fields = json.dumps({"subject": "disc", "box": [10, 10, 60, 60], "caption": f"a disc in picture {id}"})
    return row


def _is_broken(rule: dict[str, str], options: dict[str, float], scores: dict[str, float]) -> bool:
    value, limit = scores[rule["score"]], options[rule["option"]]
    return value < limit if rule["keeps"] == "least" else value > limit


if __name__ == "__main__":
    main()
