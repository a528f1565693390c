"""Explain a change of a whole picture by one smooth map of its colours.

The map is a polynomial of degree 2 in red, green and blue, so that it covers brightness, contrast, gamma, warmth,
saturation and shades of grey. It is fitted to what became of each colour, by the median: what happened to a small part
of the pixels of a colour has no influence, and colours that few pixels have count nearly as much as others.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.imaging.image import Mask, Pixels

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_SIDE = 128
"""Long side at which a change is fitted: small movements and noise matter less."""
_LEVELS = 12
"""Levels of each channel; pixels that agree in all three are of one colour."""
_LEAST_PIXELS = 3
"""Pixels that a colour needs, so that their median says something."""
_ROUNDS = 4
"""Rounds of the fit; each leaves out the colours that agreed worst in the one before."""
_AGREEING = 0.8
"""Least share of the weight of all colours that a round fits."""
_AGREES = 6.0
"""Grey levels up to which a colour agrees; no round leaves it out."""
_COSTS = (1e-5, *[1e-4] * 3, *[1e-3] * 6)
"""What each term costs: a colour that is not known stays as it is, and what few colours tell is nearly linear."""


class ToneChange(NamedTuple):
    """A change of the colours of a whole picture."""

    curves: Doubles
    """(10, 3): what each term of the polynomial adds to each channel, for values from 0 to 1."""

    def applied(self, picture_HWC: Floats) -> Floats:
        """A picture of any size after the change, 0 to 255."""
        return np.asarray(np.clip(_terms(picture_HWC) @ self.curves * 255, 0, 255), np.float32)

    def picture(self, picture_HWC: Pixels) -> Pixels:
        """The same in whole grey levels."""
        return np.rint(self.applied(picture_HWC.astype(np.float32))).astype(np.uint8)


def fit_tone(before_HWC: Pixels | Floats, after_HWC: Pixels | Floats, seen_HW: Mask) -> ToneChange:
    """The change of tone between two pictures of one size, 0 to 255, by the pixels where `seen_HW` is true.

    If there are none, nothing changes.
    """
    height, width = seen_HW.shape
    scale = min(1.0, _SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    before, after = (
        np.asarray(cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA), np.float32)
        for picture in (before_HWC, after_HWC)
    )
    seen_HW = cv2.resize(seen_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return ToneChange(_fitted(*_colours(before[seen_HW], after[seen_HW])))


def _colours(before_NC: Floats, after_NC: Floats) -> tuple[Doubles, Doubles, Doubles]:
    """The colours of a picture, what became of each (medians, both (M, 3)), and their weights (M)."""
    cells_N = (before_NC * (_LEVELS / 256)).astype(np.int64) @ np.array([_LEVELS**2, _LEVELS, 1])
    order = np.argsort(cells_N, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(cells_N[order])) + 1)
    groups = [group for group in groups if len(group) >= _LEAST_PIXELS]
    medians = (
        np.array([np.median(part[group], axis=0) for group in groups], np.float64).reshape(-1, 3)
        for part in (before_NC, after_NC)
    )
    one, other = medians
    return one, other, np.sqrt([float(len(group)) for group in groups])


def _fitted(colours: Doubles, became: Doubles, weights: Doubles) -> Doubles:
    """The polynomial, by least squares, trimmed."""
    identity = np.eye(10, 3, k=-1)
    terms = _terms(colours)
    wanted = became / 255 - terms @ identity
    costs = np.diag(np.sqrt(np.array(_COSTS) * max(weights.sum(), 1)))
    change, agreeing = np.zeros((10, 3)), weights
    for _ in range(_ROUNDS):
        rows = np.sqrt(agreeing)[:, None]
        sides = np.vstack([wanted * rows, np.zeros((10, 3))])
        change = np.linalg.lstsq(np.vstack([terms * rows, costs]), sides, rcond=None)[0]
        left = np.abs(terms @ change - wanted).max(1)
        agreeing = weights * (left <= max(_AGREES / 255, _quantile(left, weights)))
    return np.asarray(identity + change, np.float64)


def _quantile(values: Doubles, weights: Doubles) -> float:
    """The largest value of the `_AGREEING` share with the least ones, by weight; 0 of none."""
    order = np.argsort(values, kind="stable")
    inside = np.cumsum(weights[order]) <= _AGREEING * weights.sum()
    return float(values[order][inside].max(initial=0.0))


def _terms(colours: Floats | Doubles) -> Doubles:
    """The terms of the polynomial, (..., 10), of colours (..., 3) from 0 to 255."""
    red, green, blue = np.moveaxis(np.asarray(colours, np.float64) / 255, -1, 0)
    products = (red * red, green * green, blue * blue, red * green, red * blue, green * blue)
    return np.stack([np.ones_like(red), red, green, blue, *products], axis=-1)
