"""Estimate how far a target is shifted and scaled against its source, by phase correlation.

The shift is found as in Kuglin and Hines (1975), the scale by phase correlation of the log-polar spectra as in Reddy
and Chatterji (1996), both by OpenCV.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from datagen.imaging.image import Mask, Pixels
from datagen.imaging.recent_values import RecentValues, picture_key

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
_NEAR = 0.03
"""Largest shift, as a share of the long side, that is accepted by less: chance suggests one so small in 0.4 %."""
_SAME_SCALE = 0.01
"""Largest distance of its scale from 1."""
_GAIN_NEAR = 0.05
"""As `_GAIN`, of such a movement whose correlation is below `_LEAST`."""
_LEAST_NEAR = 0.08
"""As `_LEAST`, of such a movement: noise and blur leave little of the edges of a fine texture."""
_FAR = 0.2
"""Shift, as a share of the long side, from which chance easily finds something alike: little is left to compare."""
_GAIN_FAR = 0.1
"""As `_GAIN`, of such a movement."""
_SAME = 0.995
"""If the correlation of edges without a movement reaches this, no movement is searched."""
_REMEMBERED = 16
"""Pictures whose edges and spectra are remembered, up to 3.5 MB each: windows of a session share its pictures."""


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


class _AnalysedPicture:
    """A grey picture with what is computed of it: once, however many others it is compared with."""

    def __init__(self, grey_HW: Grey) -> None:
        self.grey_HW = grey_HW

    @cached_property
    def edges(self) -> Grey:
        """How steep each place is."""
        across, down = (cv2.Sobel(self.grey_HW, cv2.CV_32F, *axes) for axes in ((1, 0), (0, 1)))
        return np.asarray(np.hypot(across, down), np.float32)

    @cached_property
    def inner_edges(self) -> tuple[Grey, np.float32]:
        """The edges without the frame's border, flat and less their mean, and their norm."""
        inner = tuple(slice(edge, -edge) for edge in (max(1, side // 10) for side in self.grey_HW.shape))
        edges = self.edges[inner].ravel()
        edges = edges - edges.mean()
        return edges, np.float32(np.linalg.norm(edges))

    @cached_property
    def spectrum(self) -> Grey:
        """The magnitude of the spectrum by angle (down) and the logarithm of the radius (right)."""
        side = (_LONG_SIDE, _LONG_SIDE)
        grey_HW = self.grey_HW
        spectrum = np.log1p(np.abs(fft.fft2((grey_HW - grey_HW.mean()) * _window(grey_HW.shape), s=side)))
        polar = cv2.warpPolar(
            fft.fftshift(spectrum.astype(np.float32)),
            (_LONG_SIDE, _LONG_SIDE // 2),
            (_LONG_SIDE / 2, _LONG_SIDE / 2),
            _LONG_SIDE / 2,
            cv2.INTER_LINEAR | cv2.WARP_POLAR_LOG,
        )
        return np.asarray(polar - cv2.GaussianBlur(polar, (0, 0), 15), np.float32)


class _MovedViews:
    """A picture with movements undone. Each view is remembered, as it is needed more than once."""

    def __init__(self, unmoved: _AnalysedPicture) -> None:
        self._views = {UNMOVED: unmoved}

    def back(self, guess: Alignment) -> _AnalysedPicture:
        """The picture shifted and scaled back."""
        if guess not in self._views:
            self._views[guess] = _AnalysedPicture(_warp_back(self._views[UNMOVED].grey_HW, guess))
        return self._views[guess]


_views = RecentValues[_AnalysedPicture](_REMEMBERED)
"""The last pictures that were compared, by their content and the size of comparison."""


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
    one, other = (_view(picture, size) for picture in (source_HWC, target_HWC))
    moved = _MovedViews(other)
    unmoved = _edge_correlation(one, other)
    best, closest = UNMOVED, -1.0
    for guess in _candidates(one, moved) if unmoved < _SAME else ():
        found = _edge_correlation(one, moved.back(guess))
        if found > closest and _is_accepted(guess, found, unmoved=unmoved, side=max(size)):
            best, closest = guess, found
    return best._replace(x=best.x / ratio, y=best.y / ratio)


def _is_accepted(guess: Alignment, found: float, *, unmoved: float, side: int) -> bool:
    """Whether a movement with the correlation `found` explains a target better than none, with `unmoved`."""
    if found > max(_LEAST, unmoved + (_GAIN if guess.shift <= _FAR * side else _GAIN_FAR)):
        return True
    is_near = guess.shift <= _NEAR * side and guess.zoom <= _SAME_SCALE
    return is_near and found > max(_LEAST_NEAR, unmoved + _GAIN_NEAR)


def outside_l1(source_HWC: Pixels, target_HWC: Pixels, mask_HW: Mask) -> float:
    """Mean absolute difference outside a mask, 0 to 1; 0 if the mask covers all. All three have one size."""
    outside = ~mask_HW
    if not outside.any():
        return 0.0
    # In float: unsigned bytes would wrap around, as in AnyEdit's filter, where 10 - 20 is 246.
    difference = np.abs(source_HWC[outside].astype(np.float32) - target_HWC[outside].astype(np.float32))
    return float(difference.mean() / 255)


def _view(picture_HWC: Pixels, size: tuple[int, int]) -> _AnalysedPicture:
    key = picture_key(picture_HWC) + repr(size).encode()
    return _views.of(key, lambda: _AnalysedPicture(_grey(picture_HWC, size)))


def _grey(picture_HWC: Pixels, size: tuple[int, int]) -> Grey:
    small = cv2.resize(picture_HWC, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)


def _candidates(one: _AnalysedPicture, other: _MovedViews) -> Iterator[Alignment]:
    """Movements that phase correlation suggests: a shift alone, and a scale with a shift, both after each round."""
    for start in (UNMOVED, UNMOVED._replace(scale=_scale(one, other.back(UNMOVED)))):
        guess = start
        for round in range(_ROUNDS):
            if round and start is not UNMOVED:
                guess = guess._replace(scale=guess.scale * _scale(one, other.back(guess)))
            x, y = _correlated(one.edges, other.back(guess).edges)
            guess = guess._replace(x=guess.x + x * guess.scale, y=guess.y + y * guess.scale)
            if not (1 / _MOST_ZOOM < guess.scale < _MOST_ZOOM):
                break
            yield guess


def _scale(one: _AnalysedPicture, other: _AnalysedPicture) -> float:
    """The factor by which the second picture shows things larger, from the spectra: a shift does not change them."""
    first, second = one.spectrum, other.spectrum
    x, _ = _correlated(first, second)
    return float(np.exp(-x * np.log(_LONG_SIDE / 2) / first.shape[1]))


def _correlated(one: Grey, other: Grey) -> tuple[float, float]:
    """The shift from one picture to the other, right and down."""
    # Copies, as OpenCV multiplies what it is given by the window in place.
    (x, y), _ = cv2.phaseCorrelate(one.copy(), other.copy(), _window(one.shape))
    return float(x), float(y)


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


@lru_cache(maxsize=4)
def _window(shape: tuple[int, ...]) -> Grey:
    window_HW = np.asarray(cv2.createHanningWindow((shape[1], shape[0]), cv2.CV_32F), np.float32)
    window_HW.setflags(write=False)
    return window_HW


def _edge_correlation(one: _AnalysedPicture, other: _AnalysedPicture) -> float:
    """Correlation of the two pictures' edges, -1 to 1, without the frame's border."""
    (a, a_norm), (b, b_norm) = one.inner_edges, other.inner_edges
    norm = float(a_norm * b_norm)
    return float(a @ b) / norm if norm else 0.0
