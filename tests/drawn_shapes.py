"""Pictures of shapes on a plain background, each drawn where a test wants it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from datagen.core.draws import Draws
from datagen.imaging.image import Image, Pixels
from datagen.worlds.sprites import ShapeLook

GROUND = (128, 128, 128)


class DrawnShape(NamedTuple):
    """A shape by its name, colour, upper left corner and side in pixels."""

    label: str
    colour: str
    x: int
    y: int
    side: int = 40


def draw_shapes_on(
    *shapes: DrawnShape, size: tuple[int, int] = (256, 256), ground: tuple[int, int, int] = GROUND, noise: int = 6
) -> Image:
    """A picture of `size` (width, height) with all shapes; the noise of its background is shifted right by `noise`."""
    grain_HW = Draws("ground").noise(size[::-1]) >> noise
    canvas = np.clip(np.array(ground) + grain_HW[..., None], 0, 255).astype(np.uint8)
    for number, (label, colour, x, y, side) in enumerate(shapes):
        rgb_HWC, alpha_HW = ShapeLook(label).sprite((side, side), colour=colour, seed=number)
        alpha = alpha_HW[..., None] / 255
        place = canvas[y : y + side, x : x + side]
        place[:] = np.rint(place * (1 - alpha) + rgb_HWC * alpha).astype(np.uint8)
    return Image.of(canvas)


def photograph(size: int = 256) -> Pixels:
    """A picture without a plain background."""
    y, x = np.mgrid[:size, :size]
    return np.stack([(x * 3 + y * y // 40) % 256, (x * y // 30) % 256, (y * 5) % 256], axis=-1).astype(np.uint8)
