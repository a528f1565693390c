"""Small records, parts and datasets for the tests of shards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from datagen.core.fields import Field, catalogue
from datagen.core.record import Record
from datagen.imaging.image import Image
from datagen.shards.columns import ACCEPTED, Rows
from datagen.shards.index import About, StageRow
from datagen.shards.options import ImageOptions, OutputOptions
from datagen.shards.pack import Packed, pack
from datagen.shards.sample import SampleSettings, StoredSample, compose
from datagen.shards.writer import Placed, write_part
from datagen.storage.store import Store

FIELDS = catalogue()
AUDIO_FIELDS = catalogue([FIELDS["masks"]._replace(name="sounds", kind="audio", member="audio")])
OPTIONS = OutputOptions(val_fraction=0.3, shard_mb=0.02)


def picture(seed: int, *, width: int = 12, height: int = 8) -> Image:
    return Image.of(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def mask(seed: int, *, width: int = 12, height: int = 8) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.random.default_rng(seed).random((height, width)) > 0.5


def record(id: str, *, refs: int = 1, masks: int = 1, source: str = "", seed: int = 0, **fields: Any) -> Record:
    """An addition with so many references; `source` is what its picture's checksum is made of."""
    inputs = [{"member": f"ref_{number}", "role": "reference", "label": "a coin"} for number in range(refs)]
    inputs.append({"member": "source", "role": "source"})
    values = {
        "task": "subject_add",
        "subject": id,
        "instruction": "Add " + "<imagehere> and " * refs + "see <imagehere>, " + id[:20],
        "text": f"Add a coin, {id[:20]}",
        "inputs": inputs,
        "source": picture(seed),
        "target": picture(seed + 1),
        "refs": [picture(seed + 2 + number, width=5 + number) for number in range(refs)],
        "masks": [mask(seed + number) for number in range(masks)],
        "edits": [
            {"op": "add", "object": "coin", "box": (1, 2, 3.5, 4), "mask": f"mask_{number}"} for number in range(masks)
        ],
        "uri": f"pictures/{source or id}.jpg",
        "sha256": f"sha of {source or id}",
        "license": "CC0-1.0",
        "sharpness": 12.5,
    }
    return Record(id, {**values, **fields})


def composed(
    item: Record, *, images: ImageOptions = OPTIONS.images, fields: Mapping[str, Field] = AUDIO_FIELDS
) -> StoredSample:
    settings = SampleSettings(
        catalogue=fields,
        scored_by={"sharpness": "filter_quality"},
        unchecked=["aesthetic"],
        run="f00d",
        seed=7,
        images=images,
    )
    return compose(item, settings=settings)


def committed(store: Store, records: Sequence[Record], *, images: ImageOptions = OPTIONS.images) -> pa.Table:
    """Write records as parts; the samples that `pack` takes."""
    return stored(store, [composed(item, images=images) for item in records])


def stored(store: Store, samples: Sequence[StoredSample], *, per_part: int = 3) -> pa.Table:
    """Write samples as parts, `per_part` to each, which is a slice; the samples that `pack` takes."""
    rows: list[Mapping[str, Any]] = []
    for start in range(0, len(samples), per_part):
        part = f"run/parts/{start:06d}.tar"
        chosen = samples[start : start + per_part]
        with store.writing(part) as file:
            placed = write_part(file, chosen)
        rows += [
            accepted_row(sample, place, part, start // per_part) for sample, place in zip(chosen, placed, strict=True)
        ]
    return pa.Table.from_pylist(rows, schema=ACCEPTED)


def streamed(table: pa.Table, *, rows: int = 4) -> Rows:
    """Stream a table, a few rows at a time."""

    def stream(columns: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, table.num_rows, rows):
            yield table.slice(start, rows).select(list(columns))

    return stream


def accepted_row(sample: StoredSample, place: Placed, part: str, slice: int) -> dict[str, Any]:
    return {
        "slice": f"{slice:06d}-0123456789ab",
        "id": sample.info.id,
        "key": sample.key,
        "source_sha256": sample.info.source.sha256,
        "part": part,
        "offset": place.offset,
        "size": place.size,
        "members": json.dumps(place.members),
        "content": place.content,
        "sha256": place.sha256,
        "task": sample.info.task,
        "instruction": sample.info.instruction,
        "license": sample.info.license,
        "scores": json.dumps({score.name: score.value for score in sample.info.scores}),
    }


def about(records: int, **changes: Any) -> About:
    found = About(
        pipeline="adding",
        description="Adds things.",
        fingerprint="f00d",
        seed=7,
        sources=records,
        records=records + 3,
        rejected={"filter_quality/blurred": 2},
        failed=1,
        stages=[StageRow(id="filter_quality", use="filter_quality", version=1)],
        non_deterministic=[],
        fields=list(FIELDS.values()),
        model_licenses={},
        unchecked=["aesthetic"],
    )
    return found._replace(**changes)


def packed(store: Store, records: Sequence[Record], *, options: OutputOptions = OPTIONS, seed: int = 7) -> Packed:
    """Commit and pack records."""
    accepted = committed(store, records, images=options.images)
    return pack(store, streamed(accepted), options=options, about=about(len(records), seed=seed))
