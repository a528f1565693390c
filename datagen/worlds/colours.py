"""Colours of objects, and changes of tone of whole pictures: integer arithmetic on 8-bit RGB."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.image import Mask, Pixels

COLOURS: Final = {
    "red": (214, 40, 38),
    "yellow": (240, 208, 42),
    "green": (46, 158, 62),
    "cyan": (64, 204, 214),
    "blue": (48, 78, 212),
    "purple": (146, 58, 182),
    "pink": (244, 130, 184),
    "white": (238, 238, 238),
    "black": (36, 36, 36),
}
"""Plain names of colours, far enough apart to be told from each other by the nearest one."""

QuietTone = Literal["grey", "slate", "moss", "clay"]
QUIET_TONES: Final[tuple[QuietTone, ...]] = get_args(QuietTone)
QUIET: Final[dict[QuietTone, tuple[int, int, int]]] = {
    "grey": (128, 128, 128),
    "slate": (88, 102, 122),
    "moss": (102, 112, 86),
    "clay": (140, 110, 94),
}
"""Colours of plain backgrounds. Each is at least 60 grey levels (Euclidean) from every colour of `COLOURS`."""

TONES: Final = ("brighter", "darker", "greyscale", "warmer", "cooler")
"""Changes of the whole picture that change every pixel by itself."""


_DARKEST: Final = 16
"""Added to grey levels, so that the texture of what is black all over is none."""


def tint(image_HWC: Pixels, colour: str, *, inside_HW: Mask) -> Pixels:
    """The texture of a picture in another colour, which it has on average inside a mask that is not empty."""
    luma_HW = _luma(image_HWC) + _DARKEST
    texture_HW = luma_HW * 128 // int(luma_HW[inside_HW].mean()) + 128
    return paint(np.clip(texture_HW, 128, 340), colour)


def paint(texture_HW: NDArray[np.int32], colour: str) -> Pixels:
    """A colour under a texture, whose value 256 leaves the colour as it is."""
    levels_HWC = (texture_HW[..., None] * np.array(COLOURS[colour], np.int32)) >> 8
    painted_HWC: Pixels = np.clip(levels_HWC, 0, 255).astype(np.uint8)
    return painted_HWC


def tone(image_HWC: Pixels, name: str) -> Pixels:
    """The picture after one of `TONES`."""
    if name == "greyscale":
        return np.repeat(_luma(image_HWC).astype(np.uint8)[..., None], 3, axis=-1)
    table = _tables()[name]
    return np.stack([table[channel][image_HWC[..., channel]] for channel in range(3)], axis=-1)


def _luma(image_HWC: Pixels) -> NDArray[np.int32]:
    """0 to 255."""
    red, green, blue = (image_HWC[..., channel].astype(np.int32) for channel in range(3))
    return (77 * red + 150 * green + 29 * blue) >> 8


@cache
def _tables() -> dict[str, Pixels]:
    """The value of each level after each tone that treats channels apart, by channel."""
    level = np.arange(256)
    lighter, darker = level + (255 - level) * 2 // 5, level * 3 // 5
    more, less = level + (255 - level) // 6, level * 3 // 4
    tables = {
        "brighter": (lighter, lighter, lighter),
        "darker": (darker, darker, darker),
        "warmer": (more, level, less),
        "cooler": (less, level, more),
    }
    return {name: np.stack(table).astype(np.uint8) for name, table in tables.items()}
