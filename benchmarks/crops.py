"""Sources for the benchmarks: distinct crops of scikit-image's photographs, with their objects' outlines.

    python benchmarks/crops.py FOLDER [--records 1200]

Writes FOLDER/crops/*.png and FOLDER/crops.jsonl. Each crop holds one of the
objects of manifests/demo.jsonl that can be removed well, wholly with
room around it, and whatever else of them has its middle inside; what the crop
cuts off is rejected early, and what is removed badly late.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import skimage
from PIL import Image as Pillow

DATA = Path(skimage.__file__).parent / "data"
DEMO = Path(__file__).resolve().parent.parent / "manifests" / "demo.jsonl"
ANCHORS = [
    *[("coins", number) for number in range(6)],
    *[("hubble", number) for number in range(4)],
    ("astronaut", 0),
    ("astronaut", 1),
    ("camera", 0),
]
"""Objects that the demo accepts, and one that it does not."""


def make_crops(folder: Path, *, records: int, seed: int = 1) -> Path:
    """Write `records` crops below `folder`; the path of their manifest."""
    rows = {row["id"]: row for row in map(json.loads, DEMO.read_text(encoding="utf-8").splitlines())}
    pictures = {id: Pillow.open(DATA / row["uri"].rsplit("/", 1)[1]).convert("RGB") for id, row in rows.items()}
    (folder / "crops").mkdir(parents=True, exist_ok=True)
    manifest = folder / "crops.jsonl"
    draw = random.Random(seed)
    seen: set[tuple[str, tuple[int, int, int, int]]] = set()
    with manifest.open("w", encoding="utf-8") as file:
        while len(seen) < records:
            id, number = draw.choice(ANCHORS)
            window = _window(rows[id]["objects"][number]["box"], pictures[id].size, draw)
            if (id, window) in seen:
                continue
            seen.add((id, window))
            name = f"{id}-{len(seen):05d}"
            path = folder / "crops" / f"{name}.png"
            pictures[id].crop(window).save(path, compress_level=1)
            file.write(json.dumps(_row(rows[id], name, path, window)) + "\n")
    return manifest


def _window(box: list[float], size: tuple[int, int], draw: random.Random) -> tuple[int, int, int, int]:
    """A crop around a box, with 30 to 60 px of room on each side where the picture has it."""
    x0, y0, x1, y1 = box
    room = [draw.randint(30, 60) for _ in range(4)]
    left, top = max(0, int(x0) - room[0]), max(0, int(y0) - room[1])
    right, bottom = min(size[0], int(x1) + 1 + room[2]), min(size[1], int(y1) + 1 + room[3])
    return left, top, right, bottom


def _row(row: dict[str, Any], name: str, path: Path, window: tuple[int, int, int, int]) -> dict[str, Any]:
    shared = {key: row[key] for key in ("license", "credit", "caption")}
    objects = [_moved(thing, window) for thing in row["objects"] if _has_middle(thing["box"], window)]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"id": name, "uri": str(path), "sha256": digest, **shared, "objects": objects}


def _has_middle(box: list[float], window: tuple[int, int, int, int]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return window[0] < x < window[2] and window[1] < y < window[3]


def _moved(thing: dict[str, Any], window: tuple[int, int, int, int]) -> dict[str, Any]:
    left, top, right, bottom = window
    x0, y0, x1, y1 = thing["box"]
    return {
        **thing,
        "box": [max(x0, left) - left, max(y0, top) - top, min(x1, right) - left, min(y1, bottom) - top],
        "polygons": [[[x - left, y - top] for x, y in outline] for outline in thing["polygons"]],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--records", type=int, default=1200)
    arguments = parser.parse_args()
    print(make_crops(arguments.folder, records=arguments.records))


if __name__ == "__main__":
    main()
