"""Makes manifests/pairs.jsonl and its pictures: before and after, from scikit-image's photographs.

    python benchmarks/make_pairs.py

What is replaced is painted out by the default inpainter, and something that is cut out along its annotated outline is
put where it was, its lower edge on the old one's; or the pixels inside an outline change their colour. No generator
made these pictures. Outside of what changes, source and target are equal to the pixel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray

from datagen.imaging.geometry import center_on_square, dilate, draw_polygons, mask_bounds
from datagen.imaging.image import Image
from datagen.models.inpainters.patch import PatchConfig

MANIFESTS = Path("manifests")
ROWS = {row["id"]: row for row in map(json.loads, (MANIFESTS / "demo.jsonl").read_text().splitlines())}
GROWN_PX = 8
FEATHER_PX = 0.8
Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Pair(NamedTuple):
    """One row: pictures at their own size, the new thing's mask in the target, and what is told of it."""

    id: str
    of: str
    source: Pixels
    target: Pixels
    text: str
    label: str
    mask: Mask
    match: int
    scale: float
    captions: tuple[str, str]
    reference: Pixels | None = None


def photograph(id: str) -> Pixels:
    """A picture of the demo manifest, HWC RGB."""
    name = ROWS[id]["uri"].rpartition("/")[2]
    return Image.decode((Path(skimage.__file__).parent / "data" / name).read_bytes()).array


def outline(id: str, number: int) -> Mask:
    """The mask of one of its objects, by its outline."""
    height, width = photograph(id).shape[:2]
    return draw_polygons(ROWS[id]["objects"][number]["polygons"], (width, height))


def without(image_HWC: Pixels, mask_HW: Mask) -> Pixels:
    """A picture with what a mask shows painted out."""
    hole_HW = dilate(mask_HW, GROWN_PX)
    painted = PatchConfig().load("cpu")([image_HWC], [hole_HW], seeds=[0])[0]
    return np.where(hole_HW[..., None], painted, image_HWC)


def put(ground_HWC: Pixels, thing_HWC: Pixels, mask_HW: Mask, *, x: float, bottom: int) -> tuple[Pixels, Mask]:
    """A picture with a thing of another (or the same) put in, its middle at x and its lower edge at `bottom`."""
    x0, _, x1, y1 = mask_bounds(mask_HW)
    dx, dy = round(x - (x0 + x1) / 2), bottom - y1
    moved = np.float32([[1, 0, dx], [0, 1, dy]])
    size = ground_HWC.shape[1::-1]
    thing = cv2.warpAffine(thing_HWC, moved, size)
    alpha_HW = cv2.warpAffine(mask_HW.astype(np.float32), moved, size)
    soft = cv2.GaussianBlur(alpha_HW, (0, 0), FEATHER_PX)[..., None] * (dilate(alpha_HW > 0, 1)[..., None])
    mixed = np.rint(thing * soft + ground_HWC * (1 - soft)).astype(np.uint8)
    return mixed, alpha_HW > 0.5


def recoloured(image_HWC: Pixels, mask_HW: Mask, *, hue: int, saturation: float) -> tuple[Pixels, Mask]:
    """What is orange inside a mask in another hue (0 to 179), and where that is."""
    hsv = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2HSV)
    orange = (hsv[..., 0] < 17) & (hsv[..., 1] > 110) & (hsv[..., 2] > 40) & mask_HW
    hsv[..., 1] = np.where(orange, hsv[..., 1] * saturation, hsv[..., 1])
    hsv[..., 0] = np.where(orange, (hsv[..., 0].astype(int) + hue) % 180, hsv[..., 0])
    changed = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.where(orange[..., None], changed, image_HWC), orange


def pairs() -> list[Pair]:
    """All of them."""
    return [suit(), try_on(), tower(), coin(), galaxy(), night(), brighter(), mismatch()]


def suit() -> Pair:
    image, person = photograph("astronaut"), outline("astronaut", 2)
    below = person & (np.arange(image.shape[0]) > 210)[:, None]
    target, _ = recoloured(image, below, hue=100, saturation=0.9)
    text = "replace the astronaut with an astronaut in a blue suit"
    found = ("An astronaut in an orange suit smiles.", "An astronaut in a blue suit smiles.")
    return Pair("blue-suit", "astronaut", image, target, text, "astronaut in a blue suit", person, 1, 0.6, found)


def try_on() -> Pair:
    image, person = photograph("astronaut"), outline("astronaut", 2)
    below = person & (np.arange(image.shape[0]) > 210)[:, None]
    target, _ = recoloured(image, below, hue=50, saturation=0.55)
    garment = center_on_square(target, below, level=255, margin=0.05)
    text = "replace the suit with another suit"
    found = ("An astronaut in an orange suit smiles.", "An astronaut in a green suit smiles.")
    return Pair("green-suit", "astronaut", image, target, text, "suit", below, 1, 0.6, found, garment)


def tower() -> Pair:
    image, rocket, tower = photograph("rocket"), outline("rocket", 0), outline("rocket", 1)
    x0, _, x1, _ = mask_bounds(rocket)
    target, mask = put(without(image, rocket), image, tower, x=(x0 + x1) / 2, bottom=image.shape[0])
    text = "replace the rocket with a lightning tower"
    found = ("A rocket stands on its pad at dusk.", "A lightning tower stands on a pad at dusk.")
    return Pair("tower", "rocket", image, target, text, "lightning tower", mask, 1, 0.6, found)


def coin() -> Pair:
    image, old, new = photograph("coins"), outline("coins", 1), outline("coins", 0)
    x0, _, x1, y1 = mask_bounds(old)
    target, mask = put(without(image, old), image, new, x=(x0 + x1) / 2, bottom=y1 + 4)
    left, top, right, bottom = 40, 130, 180, 255
    cut = (slice(top, bottom), slice(left, right))
    found = ("A silver coin lies on dark ground.", "A larger coin lies on dark ground.")
    text = "replace the coin in the middle with a larger coin"
    return Pair("coin", "coins", image[cut], target[cut], text, "coin", mask[cut], 1, 1.0, found)


def galaxy() -> Pair:
    image, old, new = photograph("hubble"), outline("hubble", 1), outline("hubble", 0)
    x0, y0, x1, y1 = mask_bounds(old)
    height = mask_bounds(new)[3] - mask_bounds(new)[1]
    target, mask = put(without(image, old), image, new, x=(x0 + x1) / 2, bottom=(y0 + y1 + height) // 2)
    cut = (slice(y0 - 130, y1 + 130), slice(0, 400))
    found = ("A spiral galaxy among others.", "An elliptical galaxy among others.")
    text = "replace the spiral galaxy with an elliptical galaxy"
    return Pair("galaxy", "hubble", image[cut], target[cut], text, "elliptical galaxy", mask[cut], 1, 1.0, found)


def night() -> Pair:
    image = photograph("rocket")
    rows = np.clip((330 - np.arange(image.shape[0])) / 60, 0, 1)[:, None]
    sky = (rows * ~dilate(outline("rocket", 0) | outline("rocket", 1), 2))[..., None]
    target = np.rint(image * (1 - 0.6 * sky)).astype(np.uint8)
    found = ("A rocket stands on its pad at dusk.", "A rocket stands on its pad at night.")
    return Pair(
        "night",
        "rocket",
        image,
        target,
        "replace the sky with a night sky",
        "night sky",
        sky[..., 0] > 0.5,
        1,
        0.4,
        found,
    )


def brighter() -> Pair:
    image = photograph("camera")
    target = np.rint(255 * (image / 255) ** 0.7).astype(np.uint8)
    found = ("A photographer at work.", "A photographer at work, in a brighter picture.")
    every = np.ones(image.shape[:2], np.bool_)
    return Pair("brighter", "camera", image, target, "make the photograph brighter", "photograph", every, 1, 0.4, found)


def mismatch() -> Pair:
    image = photograph("coffee")
    target = without(image, outline("coffee", 0))
    found = ("A cup of espresso on a saucer with a teaspoon.", "A cup of espresso on a saucer.")
    text = "replace the teaspoon with a fork"
    return Pair("no-fork", "coffee", image, target, text, "teaspoon", outline("coffee", 0), 0, 0.4, found)


def write(pair: Pair, to: Path) -> dict[str, Any]:
    """Its pictures, and its row."""
    row = ROWS[pair.of]
    files = {"uri": f"{pair.id}.source.webp", "target_uri": f"{pair.id}.target.webp"}
    pictures = dict(zip(files.values(), (pair.source, pair.target), strict=True))
    if pair.reference is not None:
        files["reference_uri"] = f"{pair.id}.reference.webp"
        pictures[files["reference_uri"]] = pair.reference
    for name, pixels in pictures.items():
        small = cv2.resize(pixels, None, fx=pair.scale, fy=pair.scale, interpolation=cv2.INTER_AREA)
        lossless = (cv2.IMWRITE_WEBP_QUALITY, 101)
        done, data = cv2.imencode(".webp", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), lossless)
        assert done
        (to / name).write_bytes(data.tobytes())
    return {
        "id": pair.id,
        **{key: f"{to.name}/{name}" for key, name in files.items()},
        "text": pair.text,
        "operation": "replace" if pair.text.startswith("replace") else "",
        "source_caption": pair.captions[0],
        "target_caption": pair.captions[1],
        "annotated_match": pair.match,
        "license": row["license"],
        "credit": row["credit"],
        "objects": [thing(pair)],
    }


def thing(pair: Pair) -> dict[str, Any]:
    """The new thing as a manifest tells it, in pixels of the target as it is stored."""
    height, width = (round(side * pair.scale) for side in pair.mask.shape)
    small = cv2.resize(pair.mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA) > 0.5
    flat = small.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges.tolist(), flat.size]).tolist()
    mask = {"size": [height, width], "counts": [0, *counts] if flat[0] else counts}
    return {"label": pair.label, "box": [float(edge) for edge in mask_bounds(small)], "mask": mask}


def main() -> None:
    """Write all pairs."""
    to = MANIFESTS / "pairs"
    to.mkdir(exist_ok=True)
    rows = [write(pair, to) for pair in pairs()]
    (MANIFESTS / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
