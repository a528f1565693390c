"""Find plain shapes on a plain background: what differs from the background, piece by piece, named by its outline.

Nothing here knows how a picture was drawn. The background is a smooth surface fitted to the picture's border; a piece
is a connected component of the pixels that are far from it. Its shape is the one whose proportions are nearest: how
much of its bounds and of its convex hull the filled outline covers, how far its centre of mass is from the middle of
its bounds, and whether it has a hole. Its colour is the name of the median of the pixels away from its edge.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError
from datagen.imaging.image import Mask, Pixels
from datagen.models.scene_checkers.colour_names import name_colour
from datagen.scene_graphs.matching import SceneThing

Floats = NDArray[np.float32]


class ShapeProportions(NamedTuple):
    """What tells a filled outline apart, whatever its size."""

    extent: float
    """Its area over that of its bounds."""
    solidity: float
    """Its area over that of its convex hull."""
    offset: float
    """Distance of its centre of mass from the middle of its bounds, over their sides."""


_PROPORTIONS: Final = {
    "circle": ShapeProportions(np.pi / 4, 1, 0),
    "square": ShapeProportions(1, 1, 0),
    "triangle": ShapeProportions(1 / 2, 0.97, 1 / 6),
    "diamond": ShapeProportions(1 / 2, 1, 0),
    # Arms of a third of the width; a star of five points whose inner corners lie at 0.4 of the outer ones; a heart with
    # a shallow notch. Others of their kind are still nearer to these than to the other shapes.
    "cross": ShapeProportions(0.55, 0.72, 0),
    "star": ShapeProportions(0.37, 0.54, 0.045),
    "heart": ShapeProportions(0.64, 0.93, 0.1),
}
"""From the geometry of each shape. A ring is a circle with a hole."""
SHAPES: Final = (*_PROPORTIONS, "ring")
"""All names that `find_shapes` gives."""
_FARTHEST: Final = 0.2
"""Distance in proportions above which a piece is none of the shapes."""
_LEAST_HOLE: Final = 0.1
"""Least share of a filled ring that its hole has."""
_MOST_ASPECT: Final = 1.4
_FINE_SIDE: Final = 96
"""Samples along the longer side of a piece, at least by half, from which its outline is measured."""
_LEAST_AREA: Final = 5e-4
"""Least share of the picture that a piece has; smaller ones are noise."""
_LEAST_PIXELS: Final = 24
_LEAST_CONTRAST: Final = 9.0
"""Least distance from the background in grey levels, in the channel that differs most."""
_NOISE: Final = 4.0
"""The same in standard deviations of the background."""
_ROUGHEST: Final = 16.0
"""Largest standard deviation of a background that is plain, in grey levels."""


def find_shapes(image: Pixels) -> list[SceneThing]:
    """The shapes of a picture, HWC uint8 RGB, from left to right, each with its label, box and colour.

    Pieces that are none of `SHAPES` are left out. Raises `DataError` if the background is not plain.
    """
    far_HW, limit = _distance_from_background(image)
    number, pieces_HW, stats, _ = cv2.connectedComponentsWithStats((far_HW > limit).astype(np.uint8), connectivity=8)
    found = []
    for n in range(1, number):
        x, y, width, height, area = stats[n].tolist()
        if area < max(_LEAST_PIXELS, _LEAST_AREA * far_HW.size):
            continue
        cut = slice(y, y + height), slice(x, x + width)
        piece_HW = pieces_HW[cut] == n
        if label := name_shape(np.where(piece_HW, far_HW[cut], 0), limit=limit):
            colour = name_colour(_median_colour(image[cut], piece_HW))
            found.append(SceneThing(label, (x, y, x + width, y + height), {"colour": colour}))
    return sorted(found, key=lambda thing: thing.box)


def _distance_from_background(image: Pixels) -> tuple[Floats, float]:
    """How far each pixel is from the background in grey levels, HW, and how far it has to be to be none of it.

    The background is a surface of the second degree. Raises `DataError` if too little of the border is near one.
    """
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    terms_HWT = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    band = max(2, min(height, width) // 32)
    border_HW = np.ones((height, width), np.bool_)
    border_HW[band:-band, band:-band] = False
    border_NT, border_NC = _sampled(terms_HWT[border_HW]), _sampled(image[border_HW].astype(np.float32))
    every_NT, every_NC = _sampled(terms_HWT.reshape(-1, 6)), _sampled(image.reshape(-1, 3).astype(np.float32))
    weights_TC = np.zeros((6, 3), np.float32)
    weights_TC[0] = np.median(border_NC, axis=0)
    for terms_NT, pixels_NC in [(border_NT, border_NC)] * 3 + [(every_NT, every_NC)] * 3:
        noise = _noise(border_NC - border_NT @ weights_TC)
        near_N = np.abs(pixels_NC - terms_NT @ weights_TC).max(axis=-1) <= 3 * noise
        weights_TC, *_ = np.linalg.lstsq(terms_NT[near_N], pixels_NC[near_N], rcond=None)
    noise = _noise(border_NC - border_NT @ weights_TC)
    if noise > _ROUGHEST:
        raise DataError(
            f"the background is not plain: it differs from a smooth surface by {noise:.0f} grey levels; `flat_colours` "
            "checks shapes on a plain background alone, take `kind: grounding_dino` or `kind: language` for others"
        )
    limit = max(_LEAST_CONTRAST, _NOISE * noise)
    return np.abs(image - terms_HWT @ weights_TC).max(axis=-1).astype(np.float32), limit


def _sampled(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows at even distances, a few thousand of them."""
    return rows[:: max(1, len(rows) // 4001)]


def _noise(rest_NC: Floats) -> float:
    """The standard deviation of the better half of what a surface leaves, if that is normal; at least 1."""
    return max(1.0, 1.4826 * float(np.median(np.abs(rest_NC).max(axis=-1))))


def name_shape(far_HW: Floats, *, limit: float) -> str:
    """The shape of a piece, one of `SHAPES`, or '' for another.

    `far_HW` is how far the pixels of its bounds are from the background, 0 for those of no piece; what is farther than
    `limit` belongs to it.
    """
    height, width = far_HW.shape
    if max(height, width) > _MOST_ASPECT * min(height, width):
        return ""
    # A pixel on an edge is as far from the background as the share of it that the piece covers. Its outline runs where
    # half of a pixel is covered, between pixels too, which matters to small pieces.
    finer = max(1, round(_FINE_SIDE / max(height, width)))
    padded_HW = np.pad(far_HW, 2)
    depth_HW = cv2.distanceTransform((padded_HW > limit).astype(np.uint8), cv2.DIST_L2, 5)
    rim = padded_HW[(depth_HW > 1.5) & (depth_HW < 2.5)]
    # A low one of these: beside a rim that is near the background, as of what is white on grey, lies a light inside.
    level = max(1.2 * limit, float(np.percentile(rim, 5))) if rim.size else 2 * limit
    share_HW = np.minimum(padded_HW / level, 1)
    size = (padded_HW.shape[1] * finer, padded_HW.shape[0] * finer)
    covered_HW = (cv2.resize(share_HW, size, interpolation=cv2.INTER_LINEAR) > 0.5).astype(np.uint8)
    # Between a dark rim and a light inside lie pixels that are as light as the background.
    covered_HW = cv2.morphologyEx(covered_HW, cv2.MORPH_CLOSE, np.ones((finer + 1, finer + 1), np.uint8))
    outlines, _ = cv2.findContours(covered_HW, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled_HW = cv2.drawContours(np.zeros_like(covered_HW), outlines, -1, 1, cv2.FILLED)
    hull_HW = cv2.fillConvexPoly(np.zeros_like(covered_HW), cv2.convexHull(np.vstack(outlines)), 1)
    x, y, width, height = cv2.boundingRect(filled_HW)
    moments: Any = cv2.moments(filled_HW, binaryImage=True)
    area = moments["m00"]
    offset = np.hypot((moments["m10"] / area + 0.5 - x) / width - 0.5, (moments["m01"] / area + 0.5 - y) / height - 0.5)
    own = ShapeProportions(area / (width * height), area / float(hull_HW.sum()), float(offset))
    distances = {name: _distance(own, other) for name, other in _PROPORTIONS.items()}
    name = min(distances, key=lambda name: distances[name])
    if distances[name] > _FARTHEST:
        return ""
    open_HW = cv2.resize((padded_HW <= limit).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    is_hollow = _largest_hole(np.asarray(filled_HW * open_HW, np.uint8)) > _LEAST_HOLE * area
    return {"circle": "ring"}.get(name, "") if is_hollow else name


def _distance(one: ShapeProportions, other: ShapeProportions) -> float:
    offset = 2 * (one.offset - other.offset)
    return float(((one.extent - other.extent) ** 2 + (one.solidity - other.solidity) ** 2 + offset**2) ** 0.5)


def _largest_hole(holes_HW: Pixels) -> int:
    """The pixels of the largest hole; what a texture leaves open is many small ones."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(holes_HW, connectivity=4)
    return int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))


def _median_colour(image: Pixels, piece_HW: Mask) -> tuple[float, float, float]:
    """The median of the pixels that are far from a piece's edge, where a rim or the background is mixed in."""
    depth_HW = cv2.distanceTransform(np.pad(piece_HW.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    inner_HW = depth_HW >= min(4.5, 0.8 * float(depth_HW.max()))
    red, green, blue = np.median(image[inner_HW], axis=0).tolist()
    return red, green, blue
