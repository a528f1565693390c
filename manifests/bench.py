"""Writes manifests/bench.jsonl and manifests/bench/: pairs of which people choose a benchmark.

Additions are what the demo of subject addition made, cut to their surroundings; replacements are those of
manifests/pairs.jsonl.

python -m datagen run configs/subject_add.yaml --out out/subject_add
python manifests/bench.py out/subject_add
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import datagen

FOLDER = Path(__file__).resolve().parent
ADDED = {
    "rocket__0": ("rocket", "add a tall white rocket to the middle", "A rocket stands on its launch pad at dusk."),
    "coins__3": ("coin", "add a coin to the top row", "Ancient coins lie in rows on a dark cloth."),
    "camera__0": ("tower block", "add a tower block on the horizon", "A photographer works on a lawn before a city."),
    "astronaut__0": ("mission patch", "add a mission patch to the orange suit", "An astronaut in an orange suit."),
    "coins__0": ("coin", "add a large coin on the left", "Ancient coins lie on a dark cloth."),
}
"""By key of the demo's sample: what it adds, how somebody might ask for it, and what its target shows."""
REPLACED = ("blue-suit", "tower", "coin", "galaxy", "no-fork")
AROUND = 100
"""Pixels around the subject that are kept."""


def runs(mask_HW: np.ndarray) -> list[int]:
    """A mask's run lengths, column by column, background first."""
    flat = mask_HW.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    lengths = np.diff([0, *edges.tolist(), flat.size]).tolist()
    return [0, *lengths] if flat[0] else lengths


def added(sample: Any, name: str, text: str, caption: str) -> dict[str, Any]:
    """The row of one addition; its pictures are written."""
    height, width = sample.target.shape[:2]
    x0, y0, x1, y1 = (round(edge) for edge in sample.info["edits"][0]["box"])
    left, top = max(0, x0 - AROUND), max(0, y0 - AROUND)
    part = (slice(top, min(height, y1 + AROUND)), slice(left, min(width, x1 + AROUND)))
    id = sample.key.replace("__", "-")
    for side in ("source", "target"):
        pixels = cv2.cvtColor(getattr(sample, side)[part], cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(FOLDER / "bench" / f"{id}.{side}.webp"), pixels, [cv2.IMWRITE_WEBP_QUALITY, 101])
    mask_HW = sample.masks[1][part]
    ys, xs = np.nonzero(mask_HW)
    box = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
    return {
        "id": id,
        "uri": f"bench/{id}.source.webp",
        "target_uri": f"bench/{id}.target.webp",
        "text": text,
        "operation": "add",
        "target_caption": caption,
        "license": sample.info["license"],
        "objects": [{"label": name, "box": box, "mask": {"size": list(mask_HW.shape), "counts": runs(mask_HW)}}],
    }


def main() -> None:
    """Write all."""
    (FOLDER / "bench").mkdir(exist_ok=True)
    dataset = datagen.open(sys.argv[1])
    rows = [added(dataset.by_key(key), *told) for key, told in ADDED.items()]
    pairs = [json.loads(line) for line in (FOLDER / "pairs.jsonl").read_text().splitlines()]
    for row in pairs:
        row.pop("annotated_match")  # additions have none, and a table's rows have the same scores
        if row["id"] in REPLACED:
            rows.append({**row, "id": f"{row['id']}-replaced"})
    (FOLDER / "bench.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


if __name__ == "__main__":
    main()
