"""Makes manifests/edits: edits of the demo's photographs by plain arithmetic, in InstructPix2Pix's layout.

    python benchmarks/edit_pairs.py manifests/edits

Each edit does what its instruction says, and no more: outlines are the demo's, what is removed is painted over by the
default inpainter, and what is added was removed before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.fetch import read_file
from datagen.imaging.geometry import draw_polygons
from datagen.imaging.image import Image, Mask
from datagen.models.inpainters.patch import PatchConfig

Pixels = NDArray[np.uint8]
LONG_SIDE = 288
QUALITY = 90


class Photograph(NamedTuple):
    pixels: Pixels
    masks: dict[str, Mask]
    caption: str


class Edit(NamedTuple):
    photograph: str
    instruction: str
    caption: str
    apply: Callable[[Photograph], Pixels]
    back: bool = False
    """The photograph is what comes out, not what goes in."""


def photograph(id: str) -> Photograph:
    rows = map(json.loads, Path("manifests/demo.jsonl").read_text().splitlines())
    row = next(row for row in rows if row["id"] == id)
    whole = Image.decode(read_file(row["uri"], schemes=("package",), max_bytes=10**8)).array
    scale = LONG_SIDE / max(whole.shape[:2])
    pixels = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    size = (pixels.shape[1], pixels.shape[0])
    masks = {thing["label"]: draw_polygons(_scaled(thing, scale), size) for thing in row["objects"]}
    return Photograph(pixels, masks, row["caption"])


def _scaled(thing: dict[str, Any], scale: float) -> list[Any]:
    return [[(x * scale, y * scale) for x, y in polygon] for polygon in thing["polygons"]]


def levels(gain: float, lift: float) -> Callable[[Photograph], Pixels]:
    return lambda shown: (shown.pixels * gain + lift).clip(0, 255).astype(np.uint8)


def grey(shown: Photograph) -> Pixels:
    return cv2.cvtColor(cv2.cvtColor(shown.pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB).astype(np.uint8)


def sepia(shown: Photograph) -> Pixels:
    return (grey(shown) * np.array([1.07, 0.88, 0.65])).clip(0, 255).astype(np.uint8)


def flipped(shown: Photograph) -> Pixels:
    return np.ascontiguousarray(shown.pixels[:, ::-1])


def negative(shown: Photograph) -> Pixels:
    return (255 - shown.pixels).astype(np.uint8)


def coloured(label: str, hue: int) -> Callable[[Photograph], Pixels]:
    def apply(shown: Photograph) -> Pixels:
        hsv = cv2.cvtColor(shown.pixels, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = hue
        hsv[..., 1] = np.maximum(hsv[..., 1], 150)
        return _inside(shown, label, cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))

    return apply


def blurred_behind(label: str) -> Callable[[Photograph], Pixels]:
    def apply(shown: Photograph) -> Pixels:
        return _inside(shown._replace(pixels=cv2.GaussianBlur(shown.pixels, None, 7)), label, shown.pixels, shown)

    return apply


def without(label: str) -> Callable[[Photograph], Pixels]:
    def apply(shown: Photograph) -> Pixels:
        hole = cv2.dilate(shown.masks[label].astype(np.uint8), np.ones((9, 9))) > 0
        painted = PatchConfig().load("cpu")([shown.pixels], [hole], seeds=[0])[0]
        return np.where(hole[..., None], painted, shown.pixels).astype(np.uint8)

    return apply


def _inside(outer: Photograph, label: str, inner: Any, masks: Photograph | None = None) -> Pixels:
    """`inner` within an outline, the rest as it was, with an edge two pixels soft."""
    soft = cv2.GaussianBlur((masks or outer).masks[label].astype(np.float32), None, 1)[..., None]
    return (soft * inner + (1 - soft) * outer.pixels).round().astype(np.uint8)


SCENE = "A launch pad at dusk, between lightning towers and floodlights."
EDITS = (
    Edit("rocket", "Brighten the image", "A rocket on its launch pad, brightly lit.", levels(1.25, 14)),
    Edit("rocket", "Paint the rocket orange.", "An orange rocket stands on its launch pad.", coloured("rocket", 10)),
    Edit("rocket", "Remove the rocket from the picture.", SCENE, without("rocket")),
    Edit("rocket", "Add a rocket to the image, standing on the pad", SCENE, without("rocket"), back=True),
    Edit("astronaut", "make it black and white", "A grey portrait of an astronaut.", grey),
    Edit("astronaut", "Increase the contrast of this photo!", "An astronaut, in strong contrast.", levels(1.35, -38)),
    Edit("astronaut", "Flip this picture horizontally.", "The astronaut, mirrored.", flipped),
    Edit("astronaut", "Blur everything but the astronaut", "An astronaut before a blur.", blurred_behind("astronaut")),
    Edit("hubble", "have it look like an old sepia photograph", "A brown picture of galaxies.", sepia),
    Edit("hubble", "Turn the image into a negative.", "Dark galaxies on a white sky.", negative),
    Edit("hubble", "Remove the spiral galaxy", "Galaxies, without the spiral.", without("spiral galaxy")),
    Edit("hubble", "Colour the spiral galaxy green", "A green spiral galaxy.", coloured("spiral galaxy", 60)),
)


def main(folder: Path) -> None:
    seeds = []
    for number, edit in enumerate(EDITS, 1):
        name, seed = f"{number:07d}", f"{1000 + number}"
        shown = photograph(edit.photograph)
        sides = [shown.pixels, edit.apply(shown)]
        captions = [shown.caption, edit.caption]
        if edit.back:
            sides, captions = sides[::-1], captions[::-1]
        (folder / name).mkdir(parents=True, exist_ok=True)
        for side, pixels in enumerate(sides):
            data = cv2.imencode(".jpg", pixels[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1]
            (folder / name / f"{seed}_{side}.jpg").write_bytes(data.tobytes())
        prompt = {"input": captions[0], "edit": edit.instruction, "output": captions[1]}
        (folder / name / "prompt.json").write_text(json.dumps(prompt) + "\n")
        seeds.append([name, [seed]])
    (folder / "seeds.json").write_text(json.dumps(seeds) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
