"""What objects look like: textured shapes, and cutouts of photographs. Each gives a sprite: pixels and alpha.

Both looks are drawn at the size that is asked for, from outlines in the unit square, so that edges are sharp at any
size. Alpha is the share of a pixel inside the outline; that of cutouts is blurred by a pixel and shrunk by half of one,
so that what surrounded the object in its photograph does not show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from datagen.core.draws import Draws
from datagen.core.fields import Polygon
from datagen.imaging.image import Pixels
from datagen.worlds.colours import paint, tint
from datagen.worlds.photographs import photograph_pixels

_FINER = 4
"""Samples of an edge pixel along each side."""
_SMALL_RING = 32
"""Pixels of the longer side below which a ring is small."""
TEXTURES: Final = ("grain", "stripes", "shade")


class Sprite(NamedTuple):
    """Read-only pixels of an object, as large as its box."""

    rgb_HWC: Pixels  # noqa: N815 - the names of its axes
    alpha_HW: Pixels  # noqa: N815
    """0 outside to 255 inside."""


@dataclass(frozen=True)
class ShapeLook:
    """A shape, by its plain name."""

    label: str

    @property
    def aspect(self) -> float:
        """Width over height."""
        return 1.0

    @property
    def outline(self) -> tuple[Polygon, ...]:
        """Polygons in the unit square."""
        return shape_outlines()[self.label]

    def sprite(self, size: tuple[int, int], *, colour: str, seed: int) -> Sprite:
        """The shape at `size` (width, height); `seed` draws its texture. It has no colour of its own."""
        alpha_HW = _coverage(self.outline, size)
        # The rim is what shows where a shape stands on its own colour, and inside a shape that fills its box.
        # A small ring would be all rim, and a white one grey.
        wide = 3 if self.label == "ring" and max(size) < _SMALL_RING else 5
        inner_HW = cv2.erode(alpha_HW, np.ones((wide, wide), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        rim = 640 if colour == "black" else 112
        texture_HW = rim + (_texture(size, seed) - rim) * inner_HW.astype(np.int32) // 255
        return Sprite(_frozen(paint(texture_HW, colour)), _frozen(alpha_HW))


@dataclass(frozen=True)
class CutoutLook:
    """An object cut out of a photograph along its outline."""

    label: str
    photograph: str
    """The photograph's name."""
    uri: str
    base: str
    """The folder from which the address counts."""
    sha256: str
    polygons: tuple[tuple[tuple[float, float], ...], ...]
    """In pixels of the file."""

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Of the outline, xyxy, in pixels of the file."""
        xs, ys = zip(*(corner for polygon in self.polygons for corner in polygon), strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def aspect(self) -> float:
        """Width over height."""
        x0, y0, x1, y1 = self.bounds
        return (x1 - x0) / (y1 - y0)

    @property
    def outline(self) -> tuple[Polygon, ...]:
        """Polygons in the unit square."""
        x0, y0, x1, y1 = self.bounds
        return tuple([((x - x0) / (x1 - x0), (y - y0) / (y1 - y0)) for x, y in part] for part in self.polygons)

    def sprite(self, size: tuple[int, int], *, colour: str, seed: int) -> Sprite:  # noqa: ARG002 - as of a shape
        """The object at `size` (width, height), in its own colours or, if `colour` is not '', in another."""
        pixels, scale = photograph_pixels(self.uri, base=self.base, sha256=self.sha256)
        x0, y0, x1, y1 = (edge * scale for edge in self.bounds)
        height, width = pixels.shape[:2]
        box = max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height))
        rgb_HWC = np.asarray(Pillow.fromarray(pixels).resize(size, Pillow.Resampling.BICUBIC, box=box))
        soft_HW = cv2.GaussianBlur(_coverage(self.outline, size), (3, 3), 0, borderType=cv2.BORDER_CONSTANT)
        alpha_HW: Pixels = np.clip(soft_HW.astype(np.int32) * 4 // 3 - 84, 0, 255).astype(np.uint8)
        if colour and alpha_HW.any():
            # At its edges the colours of what surrounded it are mixed in.
            rgb_HWC = tint(rgb_HWC, colour, inside_HW=alpha_HW >= min(200, int(alpha_HW.max())))
        return Sprite(_frozen(rgb_HWC), _frozen(alpha_HW))


Look = ShapeLook | CutoutLook


@lru_cache(maxsize=512)
def draw_sprite(look: Look, size: tuple[int, int], colour: str, seed: int) -> Sprite:
    """The sprite of a look; the last ones are remembered."""
    return look.sprite(size, colour=colour, seed=seed)


def _frozen(array: Pixels) -> Pixels:
    frozen = np.ascontiguousarray(array)
    frozen.setflags(write=False)
    return frozen


def _coverage(outline: tuple[Polygon, ...], size: tuple[int, int]) -> Pixels:
    """The share of each pixel that lies inside an outline of the unit square, 0 to 255."""
    fine_HW = np.zeros((size[1] * _FINER, size[0] * _FINER), np.uint8)
    # OpenCV fills polygons in whole numbers, here sixteenths of a sample whose centre lies at half a sample. Rounding
    # also takes away what sine and cosine differ by from machine to machine.
    scale = np.array(size) * _FINER
    parts = [np.rint((np.array(part) * scale - 0.5) * 16).astype(np.int32) for part in outline]
    cv2.fillPoly(fine_HW, parts, 1, shift=4)
    inside = fine_HW.reshape(size[1], _FINER, size[0], _FINER).sum(axis=(1, 3), dtype=np.int32)
    coverage_HW: Pixels = (inside * 255 // _FINER**2).astype(np.uint8)
    return coverage_HW


def _texture(size: tuple[int, int], seed: int) -> NDArray[np.int32]:
    """Values about 256, by which a colour is multiplied."""
    draws = Draws(seed)
    kind = draws.choose(TEXTURES)
    y, x = np.mgrid[: size[1], : size[0]].astype(np.int32)
    if kind == "grain":
        return 244 + (draws.noise((size[1], size[0])) >> 3)
    if kind == "stripes":
        along, across, period = draws.below(7) - 3, 1 + draws.below(3), 5 + draws.below(5)
        return np.where(((x * across + y * along) // period) % 2 == 0, 272, 212).astype(np.int32)
    steep = 1 + draws.below(2)
    return np.asarray(212 + 72 * (x + steep * y) // (size[0] + steep * size[1]), np.int32)


@lru_cache(maxsize=1)
def shape_outlines() -> dict[str, tuple[Polygon, ...]]:
    """The outline of each shape in the unit square; each touches all four of its sides."""
    third = 0.34
    ring = _round(64)
    shapes: dict[str, list[Polygon]] = {
        "circle": [_round(64)],
        "square": [[(0, 0), (1, 0), (1, 1), (0, 1)]],
        "triangle": [[(0.5, 0), (1, 1), (0, 1)]],
        "diamond": [[(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)]],
        "cross": [_mirrored([(third, 0), (1 - third, 0), (1 - third, third), (1, third)])],
        "star": [_fitted([_spoke(k / 10, 0.5 if k % 2 == 0 else 0.2) for k in range(10)])],
        "heart": [_fitted([_heart(k / 64) for k in range(64)])],
        # Round, to the inner edge, round again and back: what lies inside twice counts as outside.
        "ring": [[*ring, ring[0], *(((x - 0.5) * 0.5 + 0.5, (y - 0.5) * 0.5 + 0.5) for x, y in [*ring, ring[0]])]],
    }
    return {name: tuple(outline) for name, outline in shapes.items()}


def _round(corners: int) -> Polygon:
    return [_spoke(k / corners, 0.5) for k in range(corners)]


def _spoke(turn: float, radius: float) -> tuple[float, float]:
    """The point at a share of a turn from the top, clockwise."""
    return 0.5 + radius * math.sin(2 * math.pi * turn), 0.5 - radius * math.cos(2 * math.pi * turn)


def _heart(turn: float) -> tuple[float, float]:
    angle = 2 * math.pi * turn
    y = 13 * math.cos(angle) - 5 * math.cos(2 * angle) - 2 * math.cos(3 * angle) - math.cos(4 * angle)
    return math.sin(angle) ** 3, -y


def _mirrored(corner: Polygon) -> Polygon:
    """A cross from the corners of its upper right arm, going round."""
    right = [*corner, *((x, 1 - y) for x, y in reversed(corner))]
    return [*right, *((1 - x, y) for x, y in reversed(right))]


def _fitted(polygon: Polygon) -> Polygon:
    """A polygon stretched to the unit square."""
    xs, ys = zip(*polygon, strict=True)
    return [((x - min(xs)) / (max(xs) - min(xs)), (y - min(ys)) / (max(ys) - min(ys))) for x, y in polygon]
