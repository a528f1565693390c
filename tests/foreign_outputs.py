"""What models wrote and painted, in a user's own tables and in GenRef's WebDataset layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from foreign import JPG, PNG, write_files, write_tar
from foreign_sessions import written

from datagen.sources.base import Source
from datagen.sources.formats.outputs.generations import GenerationsConfig
from datagen.sources.formats.outputs.genref import GenRefConfig

FLAWED = {"verdict": "inconsistent", "critique": "The dog is missing.", "correction": "Add a dog."}
STEPS: list[dict[str, Any]] = [
    {"instruction": "Draw a cat.", "picture": "a.png", "description": "a cat", "verdict": "consistent"},
    {"instruction": "Add a dog.", "picture": "b.png", "description": "a cat alone", "mended": "c.png", **FLAWED},
]
GENERATIONS: list[dict[str, Any]] = [
    {"id": "one", "prompt": "a cat and a dog", "steps": STEPS, "license": "CC0-1.0"},
    {"id": "two", "prompt": "three apples", "picture": "c.png"},
]
REFLECTION = "Add a second apple."
GENREF: dict[str, bytes] = {
    "0001.good_image.jpg": JPG,
    "0001.bad_image.jpg": PNG,
    "0001.reflection.txt": REFLECTION.encode(),
    "0001.prompt.txt": b"two apples",
    "0001.subset.txt": b"general",
    "0002.good_image.jpg": JPG,
    "0002.bad_image.jpg": PNG,
    "0002.reflection.txt": b"ok",
    "0002.prompt.txt": b"a pear",
    "0002.subset.txt": b"rule\n",
    "0003.good_image.jpg": JPG,
    "0003.bad_image.jpg": PNG,
    "0003.reflection.txt": b"Make it blue.",
    "0003.prompt.txt": b"a blue pear",
    "0003.subset.txt": b"editing",
}


def generations(folder: Path, ending: str = "jsonl", rows: list[dict[str, Any]] = GENERATIONS) -> Path:
    write_files(folder, {f"{name}.png": PNG for name in "abc"})
    return written(folder / f"generations.{ending}", rows)


def genref(folder: Path) -> Path:
    return write_tar(folder / "genref_0.tar", GENREF)


MAKERS: dict[str, Callable[[Path], Source]] = {
    "generations": lambda folder: GenerationsConfig(path=str(generations(folder))).load(),
    "generations-csv": lambda folder: GenerationsConfig(path=str(generations(folder, "csv"))).load(),
    "generations-parquet": lambda folder: GenerationsConfig(path=str(generations(folder, "parquet"))).load(),
    "genref": lambda folder: GenRefConfig(path=str(genref(folder))).load(),
}
"""Writes a small table or tar of each kind into a folder, and gives the source over it."""
