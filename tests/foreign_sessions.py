"""Editing sessions and prompts in tables of one's own, and in ImgEdit's multi-turn layout."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from foreign import JPG, PNG, write_files

from datagen.sources.base import Source
from datagen.sources.formats.pairs.imgedit_turns import ImgEditTurnsConfig
from datagen.sources.formats.pairs.seed_edit_turns import SeedEditPart23Config
from datagen.sources.prompts import PromptsConfig
from datagen.sources.sessions import SessionsConfig
from datagen.sources.tables import PairsConfig

SESSIONS: list[dict[str, Any]] = [
    {"id": "one", "pictures": ["a.png", "b.png", "c.png"], "instructions": ["add a hat", "make it red"],
     "license": "CC0-1.0"},
    {"id": "two", "pictures": ["b.png", "a.png"], "instructions": ["remove the hat"], "masks": ["m.png"]},
]  # fmt: skip
PROMPTS: list[dict[str, Any]] = [
    {"id": "p1", "caption": "a cat on a sofa", "session": "s"},
    {"id": "p2", "caption": "two dogs"},
]
IMGEDIT = [
    {
        "data": [
            {"input_images": ["0/a.jpg"], "output_images": ["0/b.jpg"], "prompt": "add a hat"},
            {"input_images": ["0/b.jpg"], "output_images": ["0/c.jpg"], "prompt": "make it red"},
            {"input_images": ["0/b.jpg", "0/c.jpg"], "output_images": ["0/d.jpg"], "prompt": "go back and remove it"},
        ]
    },
]
"""A session whose third turn goes back to the picture after the first."""
SEED_NULLS = {
    "source_image": "s/0.jpg",
    **{"instruction_1": "add a dog", "edit_image_1": "s/1.jpg", "instruction_2": "paint it", "edit_image_2": "s/2.jpg"},
    **{"instruction_3": None, "edit_image_3": None, "instruction_4": None, "edit_image_4": None},
}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """The rows as a table of the path's kind."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist([{column: row.get(column) for column in columns} for row in rows]), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for row in rows:
                cells = (row.get(column) for column in columns)
                writer.writerow([json.dumps(cell) if isinstance(cell, list) else cell for cell in cells])
    return path


def sessions(folder: Path, ending: str = "jsonl", rows: list[dict[str, Any]] = SESSIONS) -> Path:
    write_files(folder, {f"{name}.png": PNG for name in "abcm"})
    return written(folder / f"sessions.{ending}", rows)


def prompts(folder: Path, ending: str) -> Path:
    path = folder / f"prompts.{ending}"
    if ending == "txt":
        path.write_text("a cat on a sofa\n\n  two dogs  \n")
        return path
    return written(path, PROMPTS)


def imgedit(folder: Path, ending: str = "parquet", rows: list[dict[str, Any]] = IMGEDIT) -> Path:
    write_files(folder, {f"images/0/{name}.jpg": JPG for name in "abcd"})
    written(folder / f"turns.{ending}", rows)
    return folder / f"turns.{ending}"


def seed_nulls(folder: Path) -> Path:
    pictures: dict[str, bytes | str] = {f"images/s/{number}.jpg": JPG for number in range(3)}
    return write_files(folder, {**pictures, "annotations/a.jsonl": json.dumps(SEED_NULLS) + "\n"})


def masked_pairs(folder: Path) -> Path:
    write_files(folder, {f"{name}.png": PNG for name in "abm"})
    pair = {"uri": "a.png", "target_uri": "b.png", "text": "add a hat"}
    return written(folder / "pairs.jsonl", [{"id": "x", **pair, "mask_uri": "m.png"}, {"id": "y", **pair}])


MAKERS: dict[str, Callable[[Path], Source]] = {
    "sessions": lambda folder: SessionsConfig(path=str(sessions(folder))).load(),
    "sessions-csv": lambda folder: SessionsConfig(path=str(sessions(folder, "csv"))).load(),
    "sessions-parquet": lambda folder: SessionsConfig(path=str(sessions(folder, "parquet"))).load(),
    "prompts-txt": lambda folder: PromptsConfig(path=str(prompts(folder, "txt"))).load(),
    "prompts": lambda folder: PromptsConfig(path=str(prompts(folder, "jsonl"))).load(),
    "prompts-csv": lambda folder: PromptsConfig(path=str(prompts(folder, "csv"))).load(),
    "prompts-parquet": lambda folder: PromptsConfig(path=str(prompts(folder, "parquet"))).load(),
    "imgedit_turns": lambda folder: ImgEditTurnsConfig(path=str(imgedit(folder)), images=f"{folder}/images").load(),
    "imgedit_turns-jsonl": lambda folder: ImgEditTurnsConfig(
        path=str(imgedit(folder, "jsonl")), images=f"{folder}/images"
    ).load(),
    "seed_edit-nulls": lambda folder: SeedEditPart23Config(
        path=f"{seed_nulls(folder)}/annotations", images=f"{folder}/images"
    ).load(),
    "pairs-masks": lambda folder: PairsConfig(path=str(masked_pairs(folder))).load(),
}
"""Writes a small table of each kind into a folder, and gives the source over it."""
