"""Bring a picture to the size of a bucket without distortion: it is scaled until it covers, then cut."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datagen.core.fields import Box
from datagen.imaging.image import Pixels

Size = tuple[int, int]
"""Width and height in pixels."""


@dataclass(frozen=True)
class Framing:
    """Which part of a picture is seen at which size."""

    scaled: Size
    """The whole picture, scaled."""
    offset: tuple[int, int]
    """Left and top of the part that is seen, in pixels of the scaled picture."""
    size: Size
    """The part that is seen."""

    def picture(self, image_HWC: Pixels) -> Pixels:
        """The part of a picture, HWC uint8; the picture may have another size than the one that was framed."""
        import cv2

        height, width = image_HWC.shape[:2]
        if (width, height) != self.scaled:
            smaller = self.scaled[0] < width
            how = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
            image_HWC = np.asarray(cv2.resize(image_HWC, self.scaled, interpolation=how), np.uint8)
        (x, y), (seen_width, seen_height) = self.offset, self.size
        return np.ascontiguousarray(image_HWC[y : y + seen_height, x : x + seen_width])

    def box(self, box: Box, picture: Size) -> Box:
        """An xyxy box, in pixels of a picture of size `picture`, as it lies in the part, cut at its edges: 0 to 1."""
        edges = []
        for axis in (0, 1):
            scale = self.scaled[axis] / picture[axis]
            for edge in (box[axis], box[axis + 2]):
                edges.append(min(max((edge * scale - self.offset[axis]) / self.size[axis], 0.0), 1.0))
        x0, x1, y0, y1 = edges
        return x0, y0, x1, y1


def padded(image_HWC: Pixels, size: Size) -> Pixels:
    """A whole picture, HWC uint8, scaled until it fits into a size, with white margins."""
    from PIL import Image as Pillow
    from PIL import ImageOps

    made = ImageOps.pad(Pillow.fromarray(image_HWC), size, method=Pillow.Resampling.LANCZOS, color=(255, 255, 255))
    return np.asarray(made)


def frame(picture: Size, size: Size, *, boxes: Sequence[Box], draw: float = 0.5) -> Framing:
    """The part of a picture that is seen at a size: as much as can be, and all of the boxes if that is possible.

    `boxes` are xyxy in pixels of the picture. `draw`, 0 to 1, chooses among the parts that are left, 0.5 the one in the
    middle.
    """
    scale = max(size[0] / picture[0], size[1] / picture[1])
    scaled = (max(size[0], round(picture[0] * scale)), max(size[1], round(picture[1] * scale)))
    offset = [_offset(axis, picture, scaled, size, boxes, draw) for axis in (0, 1)]
    return Framing(scaled, (offset[0], offset[1]), size)


def _offset(axis: int, picture: Size, scaled: Size, size: Size, boxes: Sequence[Box], draw: float) -> int:
    spare = scaled[axis] - size[axis]
    low, high = 0.0, float(spare)
    if boxes and spare:
        scale = scaled[axis] / picture[axis]
        first = min(box[axis] for box in boxes) * scale
        last = max(box[axis + 2] for box in boxes) * scale
        low, high = max(low, last - size[axis]), min(high, first)
        if low > high:  # they do not fit: what is seen is the middle of them
            low = high = min(max((low + high) / 2, 0.0), float(spare))
    return min(spare, max(0, round(low + (high - low) * draw)))


def shows(framing: Framing, picture: Size, box: Box, *, least: float) -> bool:
    """Whether at least this share of a box's area is seen."""
    x0, y0, x1, y1 = framing.box(box, picture)
    seen = (x1 - x0) * framing.size[0] * (y1 - y0) * framing.size[1]
    whole = (box[2] - box[0]) * (box[3] - box[1]) * framing.scaled[0] * framing.scaled[1] / (picture[0] * picture[1])
    return whole > 0 and seen >= least * whole


def nearest_size(size: Size, sizes: Sequence[Size]) -> Size:
    """The size whose ratio of sides is nearest to that of a picture, by the logarithm: wide and tall are alike."""
    ratio = math.log(size[0] / size[1])
    return min(sizes, key=lambda each: abs(math.log(each[0] / each[1]) - ratio))
