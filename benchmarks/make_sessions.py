"""Makes manifests/sessions.jsonl and its pictures: editing sessions of the demo's photographs.

    python benchmarks/make_sessions.py manifests

Each turn does what its instruction says, and no more, on the picture that the turn before left: by the edits of
`edit_pairs.py`. The pictures are lossy WebP, so that every turn adds a codec's noise, as in published sessions.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from edit_pairs import Photograph, Pixels, coloured, flipped, levels, photograph, without

Turn = tuple[str, Callable[[Photograph], Pixels]]
QUALITY = 92


def in_front_of(*things: str, of: str, hue: int) -> Callable[[Photograph], Pixels]:
    """A thing in another hue, but not what stands in front of it."""

    def apply(shown: Photograph) -> Pixels:
        hidden = np.logical_or.reduce([shown.masks[thing] for thing in things])
        return coloured(of, hue)(shown._replace(masks={of: shown.masks[of] & ~hidden}))

    return apply


SESSIONS: dict[str, tuple[Turn, ...]] = {
    "rocket": (
        ("Remove the lightning tower to the right of the rocket.", without("lightning tower")),
        ("Paint the rocket orange.", coloured("rocket", 10)),
        ("Make the whole picture darker.", levels(0.75, 0)),
    ),
    "coffee": (
        ("Paint the espresso cup blue.", coloured("espresso cup", 110)),
        ("Paint the saucer green.", in_front_of("espresso cup", "teaspoon", of="saucer", hue=60)),
        ("Now paint the cup red.", coloured("espresso cup", 0)),
    ),
    "hubble": (
        ("Brighten the image.", levels(1.25, 8)),
        ("Colour the spiral galaxy on the left green.", coloured("spiral galaxy", 60)),
        ("Make it purple.", coloured("spiral galaxy", 145)),
    ),
    "astronaut": (
        ("Remove the mission patch.", without("mission patch")),
        ("Paint the space shuttle model red.", coloured("space shuttle model", 0)),
        ("Flip the picture horizontally.", flipped),
    ),
}
"""By photograph. The last turn conflicts with an earlier one, but for the rocket's."""


def main(folder: Path) -> None:
    """Write all sessions."""
    known = {row["id"]: row for row in map(json.loads, (folder / "demo.jsonl").read_text().splitlines())}
    pictures = folder / "sessions"
    pictures.mkdir(exist_ok=True)
    rows = []
    for name, turns in SESSIONS.items():
        shown, files = photograph(name), []
        for number, apply in enumerate([None, *(apply for _, apply in turns)]):
            shown = shown._replace(pixels=apply(shown)) if apply else shown
            bgr = cv2.cvtColor(shown.pixels, cv2.COLOR_RGB2BGR)
            data = cv2.imencode(".webp", bgr, (cv2.IMWRITE_WEBP_QUALITY, QUALITY))[1]
            files.append(f"sessions/{name}-{number}.webp")
            (folder / files[-1]).write_bytes(data.tobytes())
        rights = {key: known[name][key] for key in ("license", "credit", "caption")}
        rows.append({"id": name, "pictures": files, "instructions": [text for text, _ in turns], **rights})
    (folder / "sessions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
