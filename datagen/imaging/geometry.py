"""Geometry of boxes, outlines and masks on the pixel grid, and sizes of pictures. Pixel i spans from i to i + 1."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

from datagen.core.errors import DataError
from datagen.core.fields import Box, Polygon
from datagen.imaging.image import Mask, Pixels


def check_box(box: Box, size: tuple[int, int]) -> str | None:
    """What is wrong with an xyxy box on a picture of `size` (width, height); None if nothing is.

    A box may extend beyond the picture by less than a pixel, which rounding can cause.
    """
    named = f"box [{', '.join(f'{value:g}' for value in box)}]"
    picture = f"the picture is {size[0]}x{size[1]}"
    if len(box) != 4 or not all(math.isfinite(value) for value in box):
        return f"{named} is not four finite numbers x0, y0, x1, y1; {picture}"
    x0, y0, x1, y1 = box
    if x0 > x1 or y0 > y1:
        return f"{named} is inverted: x0 <= x1 and y0 <= y1 is wanted; {picture}"
    if x0 == x1 or y0 == y1:
        return f"{named} is empty; {picture}"
    beside = x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]
    if beside or x0 <= -1 or y0 <= -1 or x1 >= size[0] + 1 or y1 >= size[1] + 1:
        return f"{named} lies outside the picture: {picture}"
    return None


def mask_bounds(mask_HW: Mask) -> tuple[int, int, int, int]:
    """The smallest xyxy box, end excluded, around a mask that is not empty."""
    ys, xs = np.nonzero(mask_HW)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two xyxy boxes, 0 to 1."""
    width, height = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    common = max(width, 0) * max(height, 0)
    both = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - common
    return common / both if both > 0 else 0.0


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """The part inside a picture of `size` (width, height) of an xyxy box that `check_box` accepts."""
    return max(box[0], 0), max(box[1], 0), min(box[2], size[0]), min(box[3], size[1])


def draw_polygons(polygons: Iterable[Polygon], size: tuple[int, int]) -> Mask:
    """The mask of a picture of `size` (width, height): pixels whose centres lie in any of the outlines."""
    from skimage import draw as shapes

    polygon: Any = shapes.polygon
    mask_HW = np.zeros((size[1], size[0]), np.bool_)
    for outline in filter(len, polygons):
        corners = np.asarray(outline, np.float64)
        # Half a pixel off: scikit-image puts the centre of pixel i at i, here it is at i + 0.5.
        rows, columns = polygon(corners[:, 1] - 0.5, corners[:, 0] - 0.5, mask_HW.shape)
        mask_HW[rows, columns] = True
    return mask_HW


def decode_rle(counts: Iterable[int], size: tuple[int, int]) -> Mask:
    """A mask of `size` (height, width) from COCO's uncompressed run lengths: column by column, background first.

    Raises `DataError` if a length is negative or they do not add up to the size.
    """
    runs = [int(run) for run in counts]
    if min(runs, default=0) < 0:
        raise DataError(f"a mask's run length is negative: {min(runs)}; its size is {size[1]}x{size[0]}")
    if sum(runs) != size[0] * size[1]:
        raise DataError(f"a mask's runs add up to {sum(runs)}, its size {size[1]}x{size[0]} has {size[0] * size[1]}")
    inside = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(inside, runs).reshape(size[1], size[0]).T)


def encode_rle(mask_HW: Mask) -> list[int]:
    """A mask as COCO's uncompressed run lengths: column by column, background first."""
    flat = mask_HW.T.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def dilate(mask_HW: Mask, radius: int) -> Mask:
    """The mask grown by `radius` pixels on every side, with rounded corners."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return cv2.dilate(mask_HW.astype(np.uint8), kernel).astype(np.bool_)


def center_on_square(image_HWC: Pixels, mask_HW: Mask, *, level: int, margin: float) -> Pixels:
    """The masked pixels centred on a square of the grey `level`, 0 to 255. The mask must not be empty.

    `margin` is the space on each side, as a share of the longer side of the mask's box.
    """
    x0, y0, x1, y1 = mask_bounds(mask_HW)
    width, height = x1 - x0, y1 - y0
    side = max(width, height) + 2 * round(max(width, height) * margin)
    top, left = (side - height) // 2, (side - width) // 2
    square_HWC = np.full((side, side, 3), level, np.uint8)
    inside = mask_HW[y0:y1, x0:x1]
    square_HWC[top : top + height, left : left + width][inside] = image_HWC[y0:y1, x0:x1][inside]
    return square_HWC


def mask_depth(mask_HW: Mask) -> float:
    """Largest distance in pixels of a pixel of the mask from the outside of the mask; the frame counts as outside."""
    import cv2

    return float(cv2.distanceTransform(np.pad(mask_HW, 1).astype(np.uint8), cv2.DIST_L2, 5).max())


def fit_size(size: tuple[int, int], *, pixels: int | None, multiple: int) -> tuple[int, int]:
    """The largest (width, height) with the same aspect ratio and at most `pixels` pixels, sides cut to multiples.

    If `pixels` is None, the picture's own number is the limit. A size that this function returned stays unchanged.
    """
    pixels = pixels or size[0] * size[1]
    if _is_fitted(size, pixels, multiple):
        return size
    scale = math.sqrt(pixels / (size[0] * size[1]))
    return _cut(size[0] * scale, multiple), _cut(size[1] * scale, multiple)


def _is_fitted(size: tuple[int, int], pixels: int, multiple: int) -> bool:
    """Whether both sides are multiples, and may have been cut from sides whose product is `pixels`."""
    if size[0] % multiple or size[1] % multiple:
        return False
    least = [side if side > multiple else 0 for side in size]
    return least[0] * least[1] <= pixels < (size[0] + multiple) * (size[1] + multiple)


def _cut(length: float, multiple: int) -> int:
    return max(1, int(length / multiple + 1e-9)) * multiple  # 1e-9: the square root may end just below a multiple


def resize(image_HWC: Pixels, size: tuple[int, int]) -> Pixels:
    """A picture resized to `size` (width, height): by area if it shrinks, else bicubic."""
    import cv2

    if size == (image_HWC.shape[1], image_HWC.shape[0]):
        return image_HWC
    shrinks = size[0] * size[1] < image_HWC.shape[0] * image_HWC.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(image_HWC, size, interpolation=method).astype(np.uint8, copy=False)


Array = TypeVar("Array", Pixels, Mask)


def pad_to_multiple(image: Array, multiple: int) -> Array:
    """A picture or mask mirrored beyond its right and lower edge, so that its sides become multiples."""
    beyond = [(0, -side % multiple) for side in image.shape[:2]] + [(0, 0)] * (image.ndim - 2)
    return np.pad(image, beyond, mode="symmetric")
