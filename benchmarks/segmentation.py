"""Compare segmenters that start from a box with the outlines drawn by eye in manifests/demo.jsonl.

python benchmarks/segmentation.py
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median

import cv2
import numpy as np
import skimage
from numpy.typing import NDArray
from skimage.filters import sobel, threshold_otsu
from skimage.segmentation import morphological_chan_vese, random_walker, watershed

from datagen.core.fields import Box
from datagen.imaging.geometry import draw_polygons
from datagen.imaging.image import Image
from datagen.models.segmenters.annotated import AnnotatedConfig
from datagen.models.segmenters.base import Annotation, BoxPrompts, Segmenter
from datagen.models.segmenters.grabcut import GrabCutConfig

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Cut = Callable[[Pixels, tuple[int, int, int, int]], Mask]

DATA = Path(skimage.__file__).parent / "data"
MANIFEST = Path(__file__).parent.parent / "manifests" / "demo.jsonl"


def grey(image: Pixels) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32) / 255


def markers(shape: tuple[int, ...], box: tuple[int, int, int, int]) -> NDArray[np.int32]:
    """1 outside the box, 2 in its innermost ninth, 0 where it is to be found out."""
    x0, y0, x1, y1 = box
    marked = np.ones(shape[:2], np.int32)
    marked[y0:y1, x0:x1] = 0
    third_x, third_y = max(1, (x1 - x0) // 3), max(1, (y1 - y0) // 3)
    marked[y0 + third_y : max(y0 + third_y + 1, y1 - third_y), x0 + third_x : max(x0 + third_x + 1, x1 - third_x)] = 2
    return marked


def whole_box(image: Pixels, box: tuple[int, int, int, int]) -> Mask:
    return markers(image.shape, box) != 1


def otsu(image: Pixels, box: tuple[int, int, int, int]) -> Mask:
    """The side of Otsu's threshold that the middle of the box is on."""
    inside = whole_box(image, box)
    luma = grey(image)
    bright = luma > threshold_otsu(luma[inside])
    middle = markers(image.shape, box) == 2
    return inside & (bright == (bright[middle].mean() > 0.5))


def watershed_from_box(image: Pixels, box: tuple[int, int, int, int]) -> Mask:
    return np.asarray(watershed(sobel(grey(image)), markers(image.shape, box)) == 2)


def random_walk(image: Pixels, box: tuple[int, int, int, int]) -> Mask:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = random_walker(image, markers(image.shape, box), beta=500, mode="cg_j", channel_axis=-1)
    return np.asarray(found == 2)


def chan_vese(image: Pixels, box: tuple[int, int, int, int]) -> Mask:
    inside = whole_box(image, box)
    found = morphological_chan_vese(grey(image), 60, init_level_set=inside.astype(np.int8), smoothing=2) > 0
    middle = markers(image.shape, box) == 2
    return inside & (found == (found[middle].mean() > 0.5))


OTHERS: dict[str, Cut] = {
    "the box itself": whole_box,
    "otsu in the box": otsu,
    "watershed": watershed_from_box,
    "random walker": random_walk,
    "chan-vese": chan_vese,
}
MODELS: dict[str, Segmenter] = {
    "grabcut, margin 0.5": GrabCutConfig(margin=0.5).load("cpu"),
    "grabcut, margin 1": GrabCutConfig(margin=1).load("cpu"),
    "grabcut, 5 rounds": GrabCutConfig(rounds=5).load("cpu"),
    "grabcut": GrabCutConfig().load("cpu"),
    "annotated": AnnotatedConfig().load("cpu"),
}


def cropped(cut: Cut, image: Pixels, box: Box) -> Mask:
    """Run on the box and its surroundings alone, as GrabCut does."""
    x0, y0, x1, y1 = int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))
    pad = round(0.2 * max(x1 - x0, y1 - y0)) + 2
    left, top = max(0, x0 - pad), max(0, y0 - pad)
    part = np.ascontiguousarray(image[top : y1 + pad, left : x1 + pad])
    mask = np.zeros(image.shape[:2], np.bool_)
    mask[top : y1 + pad, left : x1 + pad] = cut(part, (x0 - left, y0 - top, x1 - left, y1 - top))
    return mask


def overlap(one: Mask, other: Mask) -> float:
    return float((one & other).sum() / (one | other).sum())


def main() -> None:
    jobs = []
    for row in map(json.loads, MANIFEST.read_text().splitlines()):
        image = Image.decode((DATA / row["uri"].rsplit("/", 1)[1]).read_bytes())
        jobs += [(f"{row['id']} {thing['label']}", image, thing) for thing in row["objects"]]
    scores: dict[str, list[float]] = {}
    print(f"IoU with the drawn outlines of {len(jobs)} objects, and its mean as a ratio of the box's own")
    for name in (*OTHERS, *MODELS):
        started, found = time.perf_counter(), []
        for _, image, thing in jobs:
            box, drawn = tuple(thing["box"]), draw_polygons(thing["polygons"], image.size)
            if name in OTHERS:
                mask = cropped(OTHERS[name], image.array, box)
            else:
                mask = MODELS[name]([BoxPrompts(image.array, [box], [Annotation(thing["polygons"], {})])])[0][0].mask
            found.append(overlap(mask, drawn))
        scores[name] = found
        seconds = (time.perf_counter() - started) / len(jobs)
        ratio = mean(found) / mean(scores["the box itself"])
        good = sum(value >= 0.85 for value in found)
        print(
            f"{name:<20} mean {mean(found):.3f}  median {median(found):.3f}  ratio {ratio:.2f}"
            f"  {good:>2} of {len(jobs)} above 0.85  {seconds:.3f} s"
        )
    print("\nGrabCut by object:")
    for (name, *_), value in sorted(zip(jobs, scores["grabcut"], strict=True), key=lambda pair: -pair[1]):
        print(f"  {value:.2f} {name}")


if __name__ == "__main__":
    main()
