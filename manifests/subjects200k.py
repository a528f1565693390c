"""Writes manifests/subjects200k: two-panel pictures of scikit-image's photographs, in Subjects200K's layout.

python manifests/subjects200k.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import skimage

SIDE, PADDING = 256, 8
FOLDER = Path(__file__).resolve().parent / "subjects200k" / "data"
DATA = Path(skimage.__file__).parent / "data"


def panel(name: str, box: tuple[int, int, int, int], *, mirrored: int = 0) -> np.ndarray:
    """A square cut out of a photograph, x0, y0, x1, y1, BGR."""
    x0, y0, x1, y1 = box
    square = cv2.resize(cv2.imread(str(DATA / name))[y0:y1, x0:x1], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return square[:, ::-1] if mirrored else square


def composite(left: np.ndarray, right: np.ndarray) -> bytes:
    """Two panels with white padding around and between them, as PNG."""
    whole = np.full((SIDE + 2 * PADDING, 2 * SIDE + 3 * PADDING, 3), 255, np.uint8)
    whole[PADDING : PADDING + SIDE, PADDING : PADDING + SIDE] = left
    whole[PADDING : PADDING + SIDE, SIDE + 2 * PADDING : 2 * SIDE + 2 * PADDING] = right
    return cv2.imencode(".png", whole)[1].tobytes()


def row(picture: bytes, item: str, captions: tuple[str, str], ratings: tuple[int, int, int] | None) -> dict:
    """One row of the dataset."""
    names = ("compositeStructure", "objectConsistency", "imageQuality")
    return {
        "image": {"bytes": picture, "path": None},
        "collection": "collection_2",
        "quality_assessment": dict(zip(names, ratings, strict=True)) if ratings else None,
        "description": {
            "item": item,
            "description_0": captions[0],
            "description_1": captions[1],
            "category": "demo",
            "description_valid": True,
        },
    }


def rows() -> list[dict]:
    """A rocket and an astronaut, each from afar and, mirrored, from near; and a pair that is not rated well."""
    rocket = composite(panel("rocket.jpg", (107, 0, 534, 427)), panel("rocket.jpg", (180, 97, 490, 407), mirrored=1))
    woman = composite(panel("astronaut.png", (0, 0, 512, 512)), panel("astronaut.png", (60, 0, 380, 320), mirrored=1))
    moved = composite(panel("clock_motion.png", (60, 0, 360, 300)), panel("clock_motion.png", (110, 50, 310, 250)))
    return [
        row(
            rocket,
            "rocket",
            ("A rocket stands on its launch pad at dusk.", "Floodlights shine on a rocket."),
            (5, 5, 5),
        ),
        row(
            woman, "astronaut", ("An astronaut sits before a flag.", "The astronaut smiles, seen from near."), (5, 5, 5)
        ),
        row(moved, "wall clock", ("A wall clock on a grey wall.", "A wall clock from near."), (5, 5, 2)),
    ]


def main() -> None:
    """Write the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows()), FOLDER / "train-00000-of-00001.parquet", compression="none")


if __name__ == "__main__":
    main()
