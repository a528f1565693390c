"""The plain name of a colour, by its hue, saturation and value alone."""

from __future__ import annotations

import colorsys
from typing import Final

_DARK: Final = 0.24
"""Value below which a colour is black; grey ones are so up to `_DARK_GREY`."""
_DARK_GREY: Final = 0.3
_PALE: Final = 0.15
"""Saturation below which a colour is black, grey or white."""
_LIGHT: Final = 0.66
"""Value from which a pale colour is white."""
_HUES: Final = (
    (12, "red"),
    (40, "orange"),
    (70, "yellow"),
    (165, "green"),
    (205, "cyan"),
    (255, "blue"),
    (305, "purple"),
    (345, "pink"),
    (360, "red"),
)
"""The name of each hue in degrees, up to the number."""
_BROWN: Final = 0.6
"""Value below which orange is brown."""
_PINK: Final = 0.55
"""Saturation below which a light red is pink."""

COLOUR_NAMES: Final = ("black", "white", "grey", "brown", *dict.fromkeys(name for _, name in _HUES))
"""All names that `name_colour` gives."""


def name_colour(rgb: tuple[float, float, float]) -> str:
    """The name, one of `COLOUR_NAMES`, of a colour whose channels are 0 to 255."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in rgb))
    if value < _DARK or (saturation < _PALE and value < _DARK_GREY):
        return "black"
    if saturation < _PALE:
        return "white" if value >= _LIGHT else "grey"
    name = next(name for limit, name in _HUES if hue * 360 <= limit)
    if name == "orange" and value < _BROWN:
        return "brown"
    return "pink" if name == "red" and saturation < _PINK and value >= _LIGHT else name
