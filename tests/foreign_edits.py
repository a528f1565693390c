"""Datasets of edits in foreign layouts, made small on disk as those who publish them write them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from foreign import png, write_files
from picture_files import noise, saved

from datagen.sources.base import Source
from datagen.sources.formats.pairs.gier import GierConfig
from datagen.sources.formats.pairs.hq_edit import HqEditConfig
from datagen.sources.formats.pairs.instructpix2pix import InstructPix2PixConfig
from datagen.sources.formats.pairs.magicbrush import MagicBrushConfig
from datagen.sources.formats.pairs.seed_edit_turns import SeedEditPart23Config
from datagen.sources.formats.pairs.ultraedit import UltraEditConfig

JPG = saved(noise(6, 8), "JPEG")


def cell(number: int) -> dict[str, Any]:
    """A picture as `datasets` stores one; its width is `number` + 4."""
    return {"bytes": png(number), "path": f"{number}.png"}


def ip2p_parquet(folder: Path, rows: int = 3) -> Path:
    table = {
        "original_prompt": [f"before {n}" for n in range(rows)],
        "original_image": [cell(2 * n) for n in range(rows)],
        "edit_prompt": [f"make it {n}" for n in range(rows)],
        "edited_prompt": [f"after {n}" for n in range(rows)],
        "edited_image": [cell(2 * n + 1) for n in range(rows)],
    }
    return _written(folder, table, "train-00000-of-00001-ab12.parquet")


def ultraedit(folder: Path, *, regions: bool) -> Path:
    numbers = ("clip_sim_source", "clip_sim_target", "clip_sim_dir", "clip_sim_image", "dinov2_sim", "ssim")
    table: dict[str, Sequence[Any]] = {name: [0.5, 0.6] for name in numbers}
    table |= {
        "source_caption": ["a street", "a lake"],
        "target_caption": ["a street in snow", "a lake with a boat"],
        "idx": [7, 8],
        "edit_prompt": ["add snow", "put a boat on the lake"],
        "source_image": [cell(0), cell(2)],
        "edited_image": [cell(1), cell(3)],
    }
    if regions:
        table |= {"edit_object": ["the street", "the lake"], "mask_image": [cell(0), cell(2)]}
    return _written(
        folder, table, "FreeForm_0-00000-of-00002.parquet" if not regions else "RegionBase-00000-of-00001.parquet"
    )


def magicbrush_parquet(folder: Path) -> Path:
    table = {
        "img_id": ["242679", "242679", "9"],
        "turn_index": pa.array([1, 2, 1], pa.int32()),
        "source_img": [cell(0), cell(1), cell(3)],
        "mask_img": [cell(0)] * 3,
        "instruction": ["add a hat", "make the hat red", "remove the dog"],
        "target_img": [cell(1), cell(2), cell(4)],
    }
    return _written(folder, table, "dev-00000-of-00001.parquet")


def hq_edit(folder: Path, rows: int = 1) -> Path:
    table = {
        "input": ["a cat"] * rows,
        "input_image": [cell(2 * n) for n in range(rows)],
        "edit": ["give the cat a hat"] * rows,
        "inverse_edit": ["take the cat's hat off"] * rows,
        "output": ["a cat with a hat"] * rows,
        "output_image": [cell(2 * n + 1) for n in range(rows)],
    }
    return _written(folder, table, "train-00000-of-00001.parquet")


def _written(folder: Path, table: Mapping[str, Any], name: str) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(dict(table)), folder / "data" / name)
    return folder


PROMPTS = {"0000001": {"input": "a cat", "edit": "make it a dog", "output": "a dog", "url": "http://x/1.jpg"},
           "0000002": {"caption": "a lake", "edit": "freeze the lake", "output": "a frozen lake"}}  # fmt: skip
"""By folder; the second as the authors' own code writes it, the first as it was released."""


def ip2p_folders(folder: Path, *, listed: bool = True) -> Path:
    files: dict[str, bytes | str] = {}
    for name, seeds in (("0000001", ("11", "12")), ("0000002", ("21",))):
        files |= {f"{name}/{seed}_{side}.jpg": JPG for seed in seeds for side in (0, 1)}
        files[f"{name}/prompt.json"] = json.dumps(PROMPTS[name])
        files[f"{name}/metadata.jsonl"] = "{}\n"
    if listed:
        files["seeds.json"] = json.dumps([["0000001", ["11", "12"]], ["0000002", ["21"]]])
    return write_files(folder, files)


SESSIONS = {
    "84031": [
        {
            "input": "84031-input.png",
            "mask": "84031-mask1.png",
            "output": "84031-output1.png",
            "instruction": "add a cup",
        },
        {
            "input": "84031-output1.png",
            "mask": "84031-mask2.png",
            "output": "84031-output2.png",
            "instruction": "fill it",
        },
    ],
    "9": [{"input": "9-input.png", "mask": "9-mask1.png", "output": "9-output1.png", "instruction": "remove the sign"}],
}


def magicbrush_folders(folder: Path) -> Path:
    names = {
        (session, edit[key])
        for session, edits in SESSIONS.items()
        for edit in edits
        for key in ("input", "mask", "output")
    }
    files: dict[str, bytes | str] = {f"images/{session}/{name}": png(0) for session, name in names}
    files["edit_sessions.json"] = json.dumps(SESSIONS)
    files["global_descriptions.json"] = json.dumps(
        {"84031": {"84031-input.png": "a desk", "84031-output1.png": "a desk with a cup"}}
    )
    return write_files(folder, files)


SEED_PAIRS = [
    {"source_image": "a/0.jpg", "target_image": "a/1.jpg", "instruction": "brighten the face"},
    {
        "source_image": "a/1.jpg",
        "target_image": "a/0.jpg",
        "instruction": "darken it",
        "source_caption": "x",
        "target_caption": "y",
    },
]
SEED_SESSION = {
    "source_image": "s/0.jpg",
    "instruction_1": "add a dog", "edit_image_1": "s/1.jpg",
    "instruction_2": "give the dog a ball", "edit_image_2": "s/2.jpg",
}  # fmt: skip


def seed_edit(folder: Path) -> Path:
    lines = {"real/split_0001": SEED_PAIRS, "multi/split_0001": [SEED_SESSION]}
    files: dict[str, bytes | str] = {f"images/{name}.jpg": JPG for name in ("a/0", "a/1", "s/0", "s/1", "s/2")}
    files |= {
        f"annotations/{name}.jsonl": "".join(json.dumps(row) + "\n" for row in rows) for name, rows in lines.items()
    }
    return write_files(folder, files)


GIER = [
    {
        "input": "0jo4ye_0jo4ye.jpg",
        "output": "0jo4ye_1.jpg",
        "expert_summary": ["brighten the picture"],
        "amateur_summary": ["it is too dark, please make it brighter"],
        "operator": {"brightness": {"local": False, "ids": []}, "contrast": {"local": False, "ids": []}},
    },
    {
        "input": "b_b.jpg",
        "output": "b_2.jpg",
        "expert_summary": [],
        "amateur_summary": ["please remove the man"],
        "operator": {"inpaint_obj": {"local": True, "ids": [3]}},
    },
]


def gier(folder: Path) -> Path:
    pictures = {f"images/{entry[key]}": JPG for entry in GIER for key in ("input", "output")}
    return write_files(folder, {**pictures, "GIER.json": json.dumps(GIER)})


MAKERS: dict[str, Callable[[Path], Source]] = {
    "instructpix2pix": lambda folder: InstructPix2PixConfig(path=str(ip2p_parquet(folder))).load(),
    "instructpix2pix-folders": lambda folder: InstructPix2PixConfig(
        path=str(ip2p_folders(folder)), form="folders"
    ).load(),
    "instructpix2pix-unlisted": lambda folder: InstructPix2PixConfig(
        path=str(ip2p_folders(folder, listed=False)), form="folders"
    ).load(),
    "ultraedit": lambda folder: UltraEditConfig(path=str(ultraedit(folder, regions=False)), split="FreeForm_0").load(),
    "ultraedit-regions": lambda folder: UltraEditConfig(path=str(ultraedit(folder, regions=True))).load(),
    "magicbrush": lambda folder: MagicBrushConfig(path=str(magicbrush_parquet(folder)), split="dev").load(),
    "magicbrush-folders": lambda folder: MagicBrushConfig(path=str(magicbrush_folders(folder)), form="folders").load(),
    "hq_edit": lambda folder: HqEditConfig(path=str(hq_edit(folder)), direction="both").load(),
    "seed_edit_part2_3": lambda folder: SeedEditPart23Config(
        path=f"{seed_edit(folder)}/annotations", images=f"{folder}/images"
    ).load(),
    "gier": lambda folder: GierConfig(path=f"{gier(folder)}/GIER.json", wordings="all").load(),
}
"""Writes a small dataset of each layout into a folder, and gives the source over it."""
