"""Editing sessions drawn on a textured ground, with exact boxes: pictures, a table of them, and records."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.imaging.image import Image

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
WIDTH, HEIGHT = 96, 72
LEFT, RIGHT, LOW = (8, 10, 34, 36), (58, 12, 86, 40), (30, 44, 60, 68)
"""Three places that do not touch."""
COLOURS = {"red": (220, 30, 30), "blue": (30, 50, 220), "green": (20, 170, 60), "yellow": (235, 210, 30)}


def ground(seed: int = 0) -> Pixels:
    """A grey ground with soft texture."""
    noise = np.random.default_rng(seed).normal(128, 18, (HEIGHT, WIDTH, 3))
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5).clip(0, 255), np.uint8)


def ball(picture: Pixels, box: Box, colour: str) -> Pixels:
    """The picture with a disc that fills the box."""
    new = picture.copy()
    centre = ((box[0] + box[2] - 1) // 2, (box[1] + box[3] - 1) // 2)
    cv2.ellipse(new, centre, ((box[2] - box[0]) // 2, (box[3] - box[1]) // 2), 0, 0, 360, COLOURS[colour], -1)
    return new


def square(picture: Pixels, box: Box, colour: str) -> Pixels:
    """The picture with a filled box."""
    new = picture.copy()
    new[box[1] : box[3], box[0] : box[2]] = COLOURS[colour]
    return new


def brighter(picture: Pixels) -> Pixels:
    return np.asarray((picture.astype(int) + 40).clip(0, 255), np.uint8)


def mixed_session() -> tuple[list[Pixels], list[str]]:
    """Four turns: the second recolours what the first added, the last changes all of it."""
    pictures = [ground()]
    pictures.append(ball(pictures[-1], LEFT, "red"))
    pictures.append(ball(pictures[-1], LEFT, "blue"))
    pictures.append(square(pictures[-1], RIGHT, "green"))
    pictures.append(brighter(pictures[-1]))
    texts = ["Add a red ball at the left", "paint the ball blue", "put a green square at the right"]
    return pictures, [*texts, "make the whole picture brighter"]


def clean_session() -> tuple[list[Pixels], list[str]]:
    """Three turns about three things."""
    pictures = [ground(1)]
    pictures.append(ball(pictures[-1], LEFT, "red"))
    pictures.append(square(pictures[-1], RIGHT, "green"))
    pictures.append(ball(pictures[-1], LOW, "yellow"))
    return pictures, ["add a red ball at the left", "insert a green square", "Draw a yellow ball at the bottom."]


SESSIONS = {"mixed": mixed_session, "clean": clean_session}


def write_sessions(folder: Path, *, names: Sequence[str] = ("mixed", "clean")) -> Path:
    """A table of the sessions for the source `sessions`, with their pictures beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for name in names:
        pictures, texts = SESSIONS[name]()
        files = [f"{name}_{number}.png" for number in range(len(pictures))]
        for file, picture in zip(files, pictures, strict=True):
            (folder / file).write_bytes(Image.of(picture).encoded())
        rows.append({"id": name, "pictures": files, "instructions": texts, "license": "CC0-1.0"})
    path = folder / "sessions.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def stages(**options: dict[str, Any]) -> list[dict[str, Any]]:
    """The chain from turns to samples; `options` are the `with:` of a stage, by its name."""
    after = {"map": {"target": "raw_target"}}
    chain: list[dict[str, Any]] = [
        {"use": "read_image", "id": "read_source", "map": {"image": "source"}},
        {
            "use": "read_image",
            "id": "read_target",
            "map": {
                "uri": "target_uri",
                "sha256": "target_sha256",
                "original_sha256": "target_original_sha256",
                "image": "raw_target",
            },
        },
        {"use": "decompose_instruction"},
        {"use": "box_change", **after},
        {"use": "gather_turns", **after},
        {"use": "judge_session"},
        {"use": "merge_turns", "map": {"target": "raw_target", "turns": "raw_turns"}},
        {"use": "filter_conflicts"},
        {"use": "paste_back"},
        {"use": "join_instructions"},
    ]
    for entry in chain:
        if entry["use"] in options:
            entry["with"] = options[entry["use"]]
    return chain


def config(source: dict[str, Any], **options: dict[str, Any]) -> dict[str, Any]:
    """A config of the chain over a source."""
    return {"pipeline": "complex", "plugins": ["toys"], "source": source, "stages": stages(**options)}
