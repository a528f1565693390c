"""Pairs in tables of one's own, and in the layouts of SEED-Data-Edit part 1, VITON-HD and DressCode."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from foreign import JPG, PNG, write_files

from datagen.sources.base import Source
from datagen.sources.formats.seed_edit import SeedEditPart1Config
from datagen.sources.formats.try_on import TryOnConfig
from datagen.sources.tables import PairsConfig

ROWS: list[dict[str, Any]] = [
    {"id": "a", "uri": "a.png", "target_uri": "b.png", "text": "replace the cat with a dog", "annotated_match": 1},
    {
        **{"id": "b", "uri": "a.png", "target_uri": "b.png", "text": "replace the top with another top"},
        **{"reference_uri": "c.png", "operation": "replace", "annotated_match": 0.5, "license": "CC0-1.0"},
    },
]
SEED = [
    {
        "source_image": f"photo-{n}.jpg",
        "source_caption": "a cat",
        "target_image": f"photo-{n}_0.jpg",
        "target_caption": "a dog",
        "instruction": "replace the cat with a dog",
        "match_score": 0.2 + n / 10,
    }
    for n in range(3)
]
"""Lines as the dataset's viewer shows them; what the score is called is not known."""


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def pairs(folder: Path, ending: str = "jsonl") -> Path:
    write_files(folder, {f"{name}.png": PNG for name in "abc"})
    path = folder / f"pairs.{ending}"
    if ending == "jsonl":
        path.write_text(lines(ROWS))
    else:
        columns = dict.fromkeys(key for row in ROWS for key in row)
        whole = [{column: row.get(column) for column in columns} for row in ROWS]
        if ending == "parquet":
            pq.write_table(pa.Table.from_pylist(whole), path)
        else:
            rows = [",".join("" if value is None else str(value) for value in row.values()) for row in whole]
            path.write_text("\n".join([",".join(columns), *rows]))
    return path


def seed_edit(folder: Path, rows: list[dict[str, Any]] = SEED) -> Path:
    top = folder / "auto_editing" / "unsplash"
    pictures = {f"images/{row[key]}": JPG for row in SEED for key in ("source_image", "target_image")}
    values = {"annotations/split_0001.jsonl": lines(rows), "annotations/split_0002.jsonl": lines(SEED[:1])}
    reworded = [{**row, "instruction_ori": row["instruction"]} for row in SEED[:1]]
    write_files(top, {**pictures, **values, "annotations_GPT4V/split_0001.jsonl": lines(reworded)})
    return top


def viton_hd(folder: Path) -> Path:
    names = ("00001_00.jpg", "00002_00.jpg")
    places = ("image", "cloth", "result", "agnostic-v3.2")
    write_files(folder, {f"test/{place}/{name}": JPG for place in places for name in names})
    write_files(folder, {"test_pairs.txt": "00001_00.jpg 00002_00.jpg\n00002_00.jpg 00001_00.jpg\n"})
    return folder / "test"


def dress_code(folder: Path) -> Path:
    top = folder / "upper_body"
    write_files(top, {f"images/{name}": JPG for name in ("013563_0.jpg", "013563_1.jpg", "020714_1.jpg")})
    write_files(top, {"result/013563_0.jpg": JPG, "test_pairs_unpaired.txt": "013563_0.jpg\t020714_1.jpg\n"})
    return top


def try_on(top: Path, **options: Any) -> TryOnConfig:
    """VITON-HD's triplets, of photographs and what a model made of them, unless the options say otherwise."""
    values = {"layout": "viton_hd", "pairs": f"{top.parent}/test_pairs.txt", "results": "result", **options}
    return TryOnConfig.model_validate({"path": str(top), **values})


def dressed(top: Path) -> TryOnConfig:
    return try_on(top, layout="dress_code", pairs=f"{top}/test_pairs_unpaired.txt", garment="dress")


MAKERS: dict[str, Callable[[Path], Source]] = {
    "pairs": lambda folder: PairsConfig(path=str(pairs(folder))).load(),
    "pairs-csv": lambda folder: PairsConfig(path=str(pairs(folder, "csv"))).load(),
    "pairs-parquet": lambda folder: PairsConfig(path=str(pairs(folder, "parquet"))).load(),
    "seed_edit_part1": lambda folder: SeedEditPart1Config(path=str(seed_edit(folder))).load(),
    "viton_hd": lambda folder: try_on(viton_hd(folder)).load(),
    "dress_code": lambda folder: dressed(dress_code(folder)).load(),
}
"""Writes a small dataset of each layout into a folder, and gives the source over it."""
