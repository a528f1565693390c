"""Compare classical inpainters on held-out pixels, and draw what they make of the demo's objects.

    python benchmarks/inpainting.py [--sheet docs/images/inpainting.jpg]

Holes shaped like the demo's objects are put where the photographs show nothing
but background, so that what was there is known.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray
from skimage.metrics import structural_similarity
from skimage.restoration import inpaint_biharmonic

from datagen.imaging.geometry import dilate, draw_polygons, mask_bounds
from datagen.imaging.image import Image
from datagen.imaging.removal_scores import seam
from datagen.models.inpainters.patch import PatchConfig
from datagen.models.inpainters.poisson import fill_smoothly
from datagen.models.inpainters.telea import TeleaConfig

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Paint = Callable[[Pixels, Mask], Pixels]

DATA = Path(skimage.__file__).parent / "data"
MANIFEST = Path(__file__).parent.parent / "manifests" / "demo.jsonl"
MARGIN = 100
DILATE_PX = 8

PLACES = [  # photograph, object whose shape the hole has, its new centre
    ("rocket.jpg", ("rocket", 0), (400, 250)),
    ("rocket.jpg", ("camera", 0), (262, 150)),
    ("coins.png", ("hubble", 4), (105, 86)),
    ("coins.png", ("hubble", 2), (230, 12)),
    ("hubble_deep_field.jpg", ("hubble", 0), (600, 330)),
    ("hubble_deep_field.jpg", ("coins", 2), (860, 690)),
    ("astronaut.png", ("astronaut", 0), (330, 130)),
    ("astronaut.png", ("hubble", 1), (110, 300)),
    ("camera.png", ("camera", 0), (370, 60)),
    ("camera.png", ("astronaut", 0), (440, 340)),
    ("coffee.png", ("coins", 0), (530, 250)),
    ("coffee.png", ("hubble", 1), (430, 200)),
]
SHOWN = [("rocket", 0), ("coins", 2), ("hubble", 0), ("astronaut", 0), ("camera", 0), ("coffee", 1)]


class Score(NamedTuple):
    mae: float
    psnr: float
    ssim: float
    detail: float
    seam: float
    seconds: float


def telea(image: Pixels, hole: Mask) -> Pixels:
    return TeleaConfig().load("cpu")([image], [hole], seeds=[0])[0]


def navier_stokes(image: Pixels, hole: Mask) -> Pixels:
    return np.asarray(cv2.inpaint(image, hole.astype(np.uint8), 5, cv2.INPAINT_NS), np.uint8)


def xphoto(image: Pixels, hole: Mask, *, mode: int, space: int, back: int) -> Pixels:
    """OpenCV's contributed inpainters; their masks mark what is known."""
    painted = np.zeros_like(image)
    cv2.xphoto.inpaint(cv2.cvtColor(image, space), (~hole).astype(np.uint8) * 255, painted, mode)
    return np.asarray(cv2.cvtColor(painted, back), np.uint8)


def shift_map(image: Pixels, hole: Mask) -> Pixels:
    cv2.setRNGSeed(1)
    mode = cv2.xphoto.INPAINT_SHIFTMAP
    return xphoto(image, hole, mode=mode, space=cv2.COLOR_RGB2Lab, back=cv2.COLOR_Lab2RGB)


def fsr_fast(image: Pixels, hole: Mask) -> Pixels:
    mode = cv2.xphoto.INPAINT_FSR_FAST
    return xphoto(image, hole, mode=mode, space=cv2.COLOR_RGB2BGR, back=cv2.COLOR_BGR2RGB)


def fsr_half(image: Pixels, hole: Mask) -> Pixels:
    size = (image.shape[1] // 2, image.shape[0] // 2)
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    touched = cv2.resize(hole.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
    filled = fsr_fast(small, np.asarray(touched))
    return np.asarray(cv2.resize(filled, image.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def biharmonic(image: Pixels, hole: Mask) -> Pixels:
    filled = inpaint_biharmonic(image, hole, split_into_regions=False, channel_axis=-1)
    return (filled * 255).round().clip(0, 255).astype(np.uint8)


def membrane(image: Pixels, hole: Mask) -> Pixels:
    return fill_smoothly(image.astype(np.float32), hole).round().clip(0, 255).astype(np.uint8)


def membrane_noise(image: Pixels, hole: Mask) -> Pixels:
    """The membrane with white noise as strong as the fine detail around the hole."""
    fine = image.astype(np.float32) - cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    spread = float(np.median(np.abs(fine[dilate(hole, 12) & ~hole]))) * 1.48
    noise = np.random.default_rng(1).normal(0, spread, (*hole.shape, 1))
    return (membrane(image, hole) + noise).round().clip(0, 255).astype(np.uint8)


def patch(image: Pixels, hole: Mask) -> Pixels:
    return PatchConfig().load("cpu")([image], [hole], seeds=[0])[0]


METHODS: dict[str, Paint] = {
    "telea": telea,
    "navier-stokes": navier_stokes,
    "biharmonic": biharmonic,
    "membrane": membrane,
    "membrane+noise": membrane_noise,
    "fsr fast": fsr_fast,
    "fsr fast, half size": fsr_half,
    "shift map": shift_map,
    "patch": patch,
}
IN_SHEET = ["telea", "biharmonic", "fsr fast, half size", "shift map", "patch"]


def photograph(name: str) -> Pixels:
    return Image.decode((DATA / name).read_bytes()).array


def objects() -> dict[tuple[str, int], tuple[str, Mask]]:
    """Photograph and mask of every object of the demo."""
    found = {}
    for row in map(json.loads, MANIFEST.read_text().splitlines()):
        name = row["uri"].rsplit("/", 1)[1]
        size = photograph(name).shape[1::-1]
        for number, thing in enumerate(row["objects"]):
            found[row["id"], number] = (name, draw_polygons(thing["polygons"], size))
    return found


def moved(mask: Mask, *, centre: tuple[int, int], shape: tuple[int, ...]) -> Mask:
    x0, y0, x1, y1 = mask_bounds(mask)
    placed = np.zeros(shape[:2], np.bool_)
    left, top = max(0, centre[0] - (x1 - x0) // 2), max(0, centre[1] - (y1 - y0) // 2)
    part = mask[y0:y1, x0:x1][: shape[0] - top, : shape[1] - left]
    placed[top : top + part.shape[0], left : left + part.shape[1]] = part
    return placed


def window(hole: Mask) -> tuple[slice, slice]:
    x0, y0, x1, y1 = mask_bounds(hole)
    return slice(max(0, y0 - MARGIN), y1 + MARGIN), slice(max(0, x0 - MARGIN), x1 + MARGIN)


def score(paint: Paint, truth: Pixels, hole: Mask) -> Score:
    damaged = np.where(hole[..., None], np.uint8(255), truth)
    started = time.perf_counter()
    painted = np.where(hole[..., None], paint(damaged, hole), truth)
    seconds = time.perf_counter() - started
    error = painted.astype(float)[hole] - truth.astype(float)[hole]
    _, similar = structural_similarity(truth, painted, channel_axis=-1, full=True)
    detail = [
        np.abs(part - cv2.GaussianBlur(part, (0, 0), 2))[hole].mean() for part in map(np.float32, (painted, truth))
    ]
    return Score(
        mae=float(np.abs(error).mean()),
        psnr=float(10 * np.log10(255**2 / max((error**2).mean(), 1e-6))),
        ssim=float(similar[hole].mean()),
        detail=float(detail[0] / detail[1]),
        seam=seam(painted, hole),
        seconds=seconds,
    )


def table() -> None:
    shapes = {key: mask for key, (_, mask) in objects().items()}
    scores: dict[str, list[Score]] = {name: [] for name in METHODS}
    for name, key, centre in PLACES:
        picture = photograph(name)
        hole = moved(shapes[key], centre=centre, shape=picture.shape)
        part = window(hole)
        for method, paint in METHODS.items():
            scores[method].append(score(paint, np.ascontiguousarray(picture[part]), np.ascontiguousarray(hole[part])))
    print(
        f"{len(PLACES)} holes on {len({name for name, *_ in PLACES})} photographs; means, and MAE as a ratio of Telea's"
    )
    print(f"{'method':<20} {'MAE':>6} {'ratio':>6} {'PSNR':>6} {'SSIM':>6} {'detail':>7} {'seam':>6} {'s':>6}")
    base = mean(one.mae for one in scores["telea"])
    for method, found in scores.items():
        all_of = Score(*(mean(values) for values in zip(*found, strict=True)))
        print(
            f"{method:<20} {all_of.mae:>6.2f} {all_of.mae / base:>6.2f} {all_of.psnr:>6.1f} {all_of.ssim:>6.3f}"
            f" {all_of.detail:>7.2f} {all_of.seam:>6.2f} {all_of.seconds:>6.2f}"
        )


def repeatability() -> None:
    """Whether each method gives the same bytes again, and with another number of threads."""
    name, mask = objects()["coins", 2]
    picture, hole = photograph(name), dilate(mask, DILATE_PX)
    part = window(hole)
    picture, hole = np.ascontiguousarray(picture[part]), np.ascontiguousarray(hole[part])
    threads = cv2.getNumThreads()
    for method, paint in METHODS.items():
        found = []
        for count in (1, 1, 2, 2):
            cv2.setNumThreads(count)
            found.append(paint(picture, hole).tobytes())
        same = "the same bytes" if len(set(found)) == 1 else f"{len(set(found))} different results"
        print(f"{method:<20} 4 runs on 1 and 2 threads: {same}")
    cv2.setNumThreads(threads)


def sheet(path: Path) -> None:
    """One row an object: the original with the hole's edge, then each method."""
    known, rows = objects(), []
    for key in SHOWN:
        name, mask = known[key]
        picture, hole = photograph(name), dilate(mask, DILATE_PX)
        part = window(hole)
        seen, cut = np.ascontiguousarray(picture[part]), np.ascontiguousarray(hole[part])
        edge = np.where((cut & ~dilate(~cut, 1) | ~cut)[..., None], seen, np.uint8((0, 255, 0)))
        painted = [np.where(cut[..., None], METHODS[method](seen, cut), seen) for method in IN_SHEET]
        rows.append(np.hstack([tile(one, cut) for one in (edge, *painted)]))
    titles = np.full((22, rows[0].shape[1], 3), 255, np.uint8)
    for column, title in enumerate(("original", *IN_SHEET)):
        cv2.putText(titles, title, (column * 204 + 4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    pixels = np.vstack([titles, *rows])
    path.write_bytes(Image.of(pixels).stored("jpg", quality=80, keep_original=False))
    print(f"wrote {path}, {path.stat().st_size:,} bytes")


def tile(picture: Pixels, hole: Mask) -> Pixels:
    x0, y0, x1, y1 = mask_bounds(hole)
    side = max(x1 - x0, y1 - y0) + 40
    left, top = max(0, (x0 + x1 - side) // 2), max(0, (y0 + y1 - side) // 2)
    seen = picture[top : top + side, left : left + side]
    scale = 200 / max(seen.shape[:2])
    shown = cv2.resize(seen, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    canvas = np.full((204, 204, 3), 255, np.uint8)
    canvas[: shown.shape[0], : shown.shape[1]] = shown
    return canvas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", type=Path, help="also draw the contact sheet here")
    arguments = parser.parse_args()
    table()
    repeatability()
    if arguments.sheet:
        sheet(arguments.sheet)


if __name__ == "__main__":
    main()
