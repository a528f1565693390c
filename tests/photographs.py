"""Real photographs that come with scikit-image, small, and what may happen to one."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from skimage import data

from datagen.imaging.image import Pixels

NAMES = ("astronaut", "chelsea", "coffee", "rocket")


@cache
def photograph(name: str, *, long_side: int = 320) -> Pixels:
    """HWC uint8 RGB, read-only."""
    pixels = getattr(data, name)()
    scale = long_side / max(pixels.shape)
    small = np.ascontiguousarray(cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    small.setflags(write=False)
    return small


def moved(picture: Pixels, *, x: float = 0, y: float = 0, scale: float = 1) -> Pixels:
    """The picture moved right and down by pixels, and scaled about its centre."""
    height, width = picture.shape[:2]
    cx, cy = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[scale, 0, cx + x - scale * cx], [0, scale, cy + y - scale * cy]])
    made = cv2.warpAffine(picture, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(made, np.uint8)


def jpeg(picture: Pixels, quality: int) -> Pixels:
    """The picture after a journey as JPEG."""
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB), np.uint8)


def resized(picture: Pixels, scale: float) -> Pixels:
    """The picture at another size."""
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=how), np.uint8)


def cropped(picture: Pixels, share: float) -> Pixels:
    """The picture without a share of its width and height on each side."""
    height, width = picture.shape[:2]
    y, x = round(height * share), round(width * share)
    return np.ascontiguousarray(picture[y : height - y, x : width - x])


def edited(picture: Pixels, other: Pixels, *, at: tuple[float, float] = (0.3, 0.3), size: float = 0.25) -> Pixels:
    """The picture with a small copy of another in it; `at` and `size` in shares of the frame."""
    height, width = picture.shape[:2]
    y, x, high, wide = (round(part) for part in (at[1] * height, at[0] * width, size * height, size * width))
    made = picture.copy()
    made[y : y + high, x : x + wide] = cv2.resize(other, (wide, high), interpolation=cv2.INTER_AREA)
    return made
