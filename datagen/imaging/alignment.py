"""Estimate how far a target is shifted and scaled against its source, by phase correlation.

The shift is found as in Kuglin and Hines (1975), the scale by phase correlation of the log-polar spectra as in Reddy
and Chatterji (1996), both by OpenCV.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from datagen.imaging.image import Mask, Pixels

Grey = NDArray[np.float32]

_LONG_SIDE = 512
"""Pictures are compared at this long side, in pixels."""
_LEAST_SIDE = 32
"""A picture with a shorter side has too few pixels to correlate."""
_ROUNDS = 3
"""Each round estimates what the earlier ones left."""
_MOST_ZOOM = 1.25
"""Largest scale that is searched; its inverse is the smallest."""
_GAIN = 0.02
"""By how much the correlation of edges has to exceed that without a movement, so that the movement is accepted."""
_LEAST = 0.3
"""Least correlation of edges of an accepted movement: by chance some movement always fits a little."""
_SAME = 0.995
"""If the correlation of edges without a movement reaches this, no movement is searched."""


class Alignment(NamedTuple):
    """The target's shift and scale against the source."""

    x: float
    """Shift of the target's centre to the right, in pixels of the source."""
    y: float
    """Shift of the target's centre downwards, in pixels of the source."""
    scale: float
    """Above 1 if the target shows things larger."""

    @property
    def shift(self) -> float:
        """Length of the shift, in pixels of the source."""
        return float(np.hypot(self.x, self.y))

    @property
    def zoom(self) -> float:
        """Distance of the scale from 1."""
        return abs(self.scale - 1)


UNMOVED = Alignment(0.0, 0.0, 1.0)


def estimate_alignment(source_HWC: Pixels, target_HWC: Pixels) -> Alignment:
    """The target's shift and scale against the source; `UNMOVED` if no movement explains the target better.

    The target is resized to the source's size first. The edges of grey pictures at long side 512 are compared: what an
    edit changed has no counterpart and influences no estimate. Shifts up to about a tenth of the picture and scales up
    to 1.25 are found; rotations are not searched.
    """
    height, width = source_HWC.shape[:2]
    ratio = min(1.0, _LONG_SIDE / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    if min(size) < _LEAST_SIDE:
        return UNMOVED
    one, other = (_grey(picture, size) for picture in (source_HWC, target_HWC))
    unmoved = _edge_correlation(one, other, UNMOVED)
    best, closest = UNMOVED, max(_LEAST, unmoved + _GAIN)
    for guess in _candidates(one, other) if unmoved < _SAME else ():
        found = _edge_correlation(one, other, guess)
        if found > closest:
            best, closest = guess, found
    return best._replace(x=best.x / ratio, y=best.y / ratio)


def outside_l1(source_HWC: Pixels, target_HWC: Pixels, mask_HW: Mask) -> float:
    """Mean absolute difference outside a mask, 0 to 1; 0 if the mask covers all. All three have one size."""
    outside = ~mask_HW
    if not outside.any():
        return 0.0
    # In float: unsigned bytes would wrap around, as in AnyEdit's filter, where 10 - 20 is 246.
    difference = np.abs(source_HWC[outside].astype(np.float32) - target_HWC[outside].astype(np.float32))
    return float(difference.mean() / 255)


def _grey(picture_HWC: Pixels, size: tuple[int, int]) -> Grey:
    small = cv2.resize(picture_HWC, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def _candidates(one: Grey, other: Grey) -> Iterable[Alignment]:
    """Movements that phase correlation suggests: a shift alone, and a scale with a shift, both after each round."""
    for start in (UNMOVED, UNMOVED._replace(scale=_scale(one, other))):
        guess = start
        for round in range(_ROUNDS):
            back = _warp_back(other, guess)
            if round and start is not UNMOVED:
                guess = guess._replace(scale=guess.scale * _scale(one, back))
                back = _warp_back(other, guess)
            (x, y), _ = cv2.phaseCorrelate(_edges(one), _edges(back), _window(one))
            guess = guess._replace(x=guess.x + x * guess.scale, y=guess.y + y * guess.scale)
            if not (1 / _MOST_ZOOM < guess.scale < _MOST_ZOOM):
                break
            yield guess


def _scale(one: Grey, other: Grey) -> float:
    """The factor by which the second picture shows things larger, from the spectra: a shift does not change them."""
    first, second = _log_polar_spectrum(one), _log_polar_spectrum(other)
    width = first.shape[1]
    (x, _), _ = cv2.phaseCorrelate(first, second, _window(first))
    return float(np.exp(-x * np.log(_LONG_SIDE / 2) / width))


def _log_polar_spectrum(picture: Grey) -> Grey:
    """The magnitude of the spectrum by angle (down) and the logarithm of the radius (right)."""
    side = (_LONG_SIDE, _LONG_SIDE)
    spectrum = np.abs(fft.fftshift(fft.fft2((picture - picture.mean()) * _window(picture), s=side)))
    polar = cv2.warpPolar(
        np.log1p(spectrum).astype(np.float32),
        (_LONG_SIDE, _LONG_SIDE // 2),
        (_LONG_SIDE / 2, _LONG_SIDE / 2),
        _LONG_SIDE / 2,
        cv2.INTER_LINEAR | cv2.WARP_POLAR_LOG,
    )
    return np.asarray(polar - cv2.GaussianBlur(polar, (0, 0), 15), np.float32)


def _warp_back(picture: Grey, guess: Alignment) -> Grey:
    """The picture shifted and scaled back; pixels from outside the frame repeat those at its border."""
    height, width = picture.shape
    cx, cy = (width - 1) / 2, (height - 1) / 2
    scale, x, y = guess.scale, guess.x, guess.y
    matrix = np.array([[scale, 0, cx + x - scale * cx], [0, scale, cy + y - scale * cy]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(picture, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def _edges(picture: Grey) -> Grey:
    return np.asarray(np.hypot(cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)), np.float32)


def _window(picture: Grey) -> Grey:
    return np.asarray(cv2.createHanningWindow((picture.shape[1], picture.shape[0]), cv2.CV_32F), np.float32)


def _edge_correlation(one: Grey, other: Grey, guess: Alignment) -> float:
    """Correlation of the two pictures' edges after the movement is undone, -1 to 1, without the frame's border."""
    margin = [max(1, side // 10) for side in one.shape]
    inner = tuple(slice(edge, -edge) for edge in margin)
    a, b = _edges(one)[inner].ravel(), _edges(_warp_back(other, guess))[inner].ravel()
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm else 0.0
