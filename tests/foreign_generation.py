"""Datasets for subject-driven generation in foreign layouts, made small on disk as those who publish them write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from foreign import png

from datagen.sources.base import Source
from datagen.sources.formats.generation.blip3_grounding import Blip3GroundingConfig
from datagen.sources.formats.generation.subjects200k import Subjects200kConfig
from datagen.sources.reviewed import ReviewedConfig
from datagen.sources.tables import PairsConfig

PLACED = "A dog (starts at [0.1, 0.2] and extends upto [0.5, 0.9]) lies on a lawn (starts at [0, 0.5] and extends upto [1, 1])."
TAGGED = "A dog <bbox>0.1, 0.2, 0.5, 0.9</bbox> lies on a lawn."
CAPTIONS = "A dog (located at the left side of the image) lies on a lawn."
QUALITY = ("compositeStructure", "objectConsistency", "imageQuality")


THREE = ([[CAPTIONS, [True]], [PLACED, [True]], [TAGGED, [False]]],) * 3


def blip3(folder: Path, captions: Sequence[Any] = THREE, *, web: str = "https://pictures.example.org") -> Path:
    """Rows `u0`, `u1`, ... with these captions, and pictures `0.jpg`, `1.jpg`, ..."""
    rows = [
        {
            "uid": f"u{number}",
            "url": f"{web}/{number}.jpg",
            "cogvlm_caption": "A dog lies on a lawn.",
            "captions": text if isinstance(text, str) else repr(text),
        }
        for number, text in enumerate(captions)
    ]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "combined_part_01.parquet")
    return folder


def pair(number: int, **about: Any) -> dict[str, Any]:
    """A row of Subjects200K."""
    return {
        "image": {"bytes": png(number), "path": None},
        "collection": "collection_2" if number else "collection_1",
        "quality_assessment": dict.fromkeys(QUALITY, 5),
        "description": {
            "item": "cup",
            "description_0": "A cup on a table.",
            "description_1": "The cup in a sink.",
            "category": "things",
            "description_valid": True,
        },
        **about,
    }


def subjects200k(folder: Path, rows: Sequence[dict[str, Any]] | None = None) -> Path:
    """Rows of two collections, or these."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows or [pair(0), pair(1), pair(2, quality_assessment=None)]))
    pq.write_table(table, folder / "data" / "train-00000-of-00001.parquet")
    return folder


def pairs(folder: Path, number: int = 4) -> Path:
    """A table of pairs, additions and replacements by turns."""
    rows = [
        {
            "id": f"p{n}",
            "uri": f"{n}.source.png",
            "target_uri": f"{n}.target.png",
            "text": f"add a cup to shelf {n}" if n % 2 == 0 else f"replace the pot with a cup {n}",
            "operation": "add" if n % 2 == 0 else "replace",
            "target_caption": f"Shelf {n}.",
            "objects": [
                {"label": label, "box": [x, 1, x + 3, 5], "polygons": [[[x, 1], [x + 3, 1], [x + 3, 5], [x, 5]]]}
                for label, x in (("cup", 0), ("mug", 4))
            ],
        }
        for n in range(number)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pairs.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def reviewed(folder: Path, sheet: str = "id,decision\np1,keep\np2,drop\n", **options: Any) -> Source:
    """The pairs with a sheet."""
    path = pairs(folder)
    (folder / "sheet.csv").write_text(sheet)
    return ReviewedConfig(path=f"{folder}/sheet.csv", of=PairsConfig(path=str(path)), **options).load()


MAKERS: dict[str, Callable[[Path], Source]] = {
    "blip3_grounding": lambda folder: Blip3GroundingConfig(path=str(blip3(folder))).load(),
    "subjects200k": lambda folder: Subjects200kConfig(path=str(subjects200k(folder))).load(),
    "reviewed": reviewed,
}
"""Writes a small dataset of each layout into a folder, and gives the source over it."""
