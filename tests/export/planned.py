"""Small datasets of plans, inspections and refinements, made without a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from shards.making import packed, picture, record

from datagen.core.record import Record
from datagen.core.sample_rows import in_picture, source_row
from datagen.imaging.image import Image
from datagen.shards.options import OutputOptions
from datagen.storage.store import Store

WITHOUT_VAL = OutputOptions(val_fraction=0, shard_mb=0.5)


def plain(seed: int, *, side: int = 24) -> Image:
    """A picture of a colour, which JPEG hardly changes."""
    return Image.of(np.full((side, side, 3), [seed * 37 % 256, seed * 91 % 256, seed * 53 % 256], np.uint8))


def step(number: int, **words: str) -> dict[str, str]:
    return {
        "instruction": f"Add thing {number}.",
        "description": f"Things up to {number}.",
        "image": f"turn_{number}",
        "verdict": "",
        "critique": "",
        "correction": "",
        **words,
    }


def sample(id: str, task: str, **fields: Any) -> Record:
    """A sample without inputs; fields that are None are left out."""
    values: dict[str, Any] = {
        "task": task,
        "instruction": f"The prompt of {id}.",
        "text": f"The prompt of {id}.",
        "inputs": [],
        "source": None,
        "refs": None,
        "masks": None,
        "edits": [],
        "license": "CC0-1.0",
        "label": "positive",
        **fields,
    }
    seed = sum(map(ord, id))
    made = record(id, refs=0, masks=0, seed=seed)
    present = {name: value for name, value in {**dict(made), **values}.items() if value is not None}
    return Record(id, present)


def plan(id: str = "plan", *, length: int = 3, side: int = 24, **fields: Any) -> Record:
    """A plan of `length` intermediate pictures and a final one."""
    steps = [step(number) for number in range(length)] + [step(length, image="target")]
    seed = sum(map(ord, id))
    pictures = [picture(seed + number, width=side, height=side) for number in range(length + 1)]
    values = {"steps": steps, "turns": pictures[:-1], "target": pictures[-1]}
    return sample(id, "plan_generation", **{**values, **fields})


def inspection(id: str = "inspection", *, is_consistent: bool = False, length: int = 2, **fields: Any) -> Record:
    """An inspection of the last step of a plan, whose picture is the target."""
    judged = (
        {"verdict": "consistent"}
        if is_consistent
        else {"verdict": "inconsistent", "critique": f"{id} lacks a star.", "correction": "Add a star."}
    )
    seed = sum(map(ord, id))
    values = {
        "steps": [*(step(number) for number in range(length)), step(length, image="target", **judged)],
        "turns": [picture(seed + number) for number in range(length)],
        "target": picture(seed + length),
        "label": "positive" if is_consistent else "negative",
    }
    return sample(id, "inspect_text", **{**values, **fields})


def picture_inspection(id: str = "picture", **fields: Any) -> Record:
    """An inspection of a picture that was painted from a source."""
    judged = step(0, image="target", verdict="inconsistent", critique="The star is red.", correction="Make it blue.")
    seed = sum(map(ord, id))
    values = {
        "instruction": in_picture("Add thing 0."),
        "text": "Add thing 0.",
        "inputs": [source_row()],
        "steps": [judged],
        "source": picture(seed),
        "target": picture(seed + 1),
        "label": "negative",
    }
    return sample(id, "inspect_image", **{**values, **fields})


def refinement(id: str = "refine", **fields: Any) -> Record:
    """A flawed picture and the mended one."""
    seed = sum(map(ord, id))
    critique = {**dict.fromkeys(step(0), ""), "critique": f"{id} has two stars, not three."}
    values = {
        "instruction": "Add a star.",
        "text": "Add a star.",
        "steps": [critique],
        "source": plain(seed),
        "target": plain(seed + 1),
        "target_caption": "Three stars.",
    }
    return sample(id, "refine", **{**values, **fields})


def dataset(folder: Path, *records: Record, options: OutputOptions = WITHOUT_VAL) -> str:
    """A finished dataset of these samples."""
    packed(Store(str(folder)), records, options=options)
    return str(folder)
