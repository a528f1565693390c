"""Map how far each place of a target differs from its source, 0 to 1, despite what editing models do to the rest.

A target is shifted by a pixel or two, its colours drift, and it is blurred, noisy or compressed all over. So it is
registered first, its colours are fitted to the source's, and what remains is compared with the usual difference of
places of similar texture: a change is what exceeds that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.imaging.alignment import UNMOVED, Alignment, estimate_alignment
from datagen.imaging.box_rule import MapKind
from datagen.imaging.geometry import resize
from datagen.imaging.image import Mask, Pixels
from datagen.imaging.recent_values import RecentValues, picture_key

Floats = NDArray[np.float32]
"""Pictures HWC or maps HW."""

LONG_SIDE = 256
"""Pictures are compared at this long side, in pixels; smaller ones at their own size."""
_ROUNDS = 4
"""Rounds of the colour fit; each leaves out the pixels that agreed worst in the one before."""
_AGREEING = 0.7
"""Share of the pixels that a round fits: an edit of up to 0.3 of the frame does not disturb it."""
_GAINS = (0.7, 1.4)
"""Least and largest contrast that counts as drift of colour."""
_FLAT = 2.0
"""Standard deviation in grey levels below which a channel has no contrast to fit; its median is shifted alone."""
_LEAST_OUTSIDE = 0.01
"""Least share of the frame from which a drift of colours is told."""
_DRIFT_SIDE = 128
"""Long side at which a drift of colours is fitted: lines need few pixels."""
_STRONG = 0.9
"""Quantile of what exceeds the floor that says how strong the changes of a pair are."""
_TO_SIGMA = 1.4826
"""From a median absolute deviation to a standard deviation."""
_SHARP = 2.0
"""Least step of the difference, in grey levels a pixel, that bounds an edit; a halo fades more slowly."""
_SHARP_DEVIATIONS = 3.0
"""How many standard deviations above the median a step has to be."""
_STILL = 1.5
"""Median difference at the source's sharpest edges, in grey levels, up to which no movement is looked for."""
_BLURS = (0.5, 0.7, 0.9, 1.2, 1.6, 2.0)
"""Standard deviations, in pixels of the comparison, of the blurs of a whole picture that are looked for."""
_CLEARLY = 0.8
"""A blur is taken out if the sharpest edges then differ by less than this share of what they differed by."""
_OUTLINE = 8
"""Side in pixels at which pictures are compared in coarse outline."""
_NOISE = 1.0
"""Mean difference of outlines, in grey levels, that a codec may make."""
_CACHED = 256
"""Maps that are remembered, 0.3 MB each: several stages of one worker ask for those of a whole slice."""
_CACHED_PAIRS = 16
"""Pairs that are remembered, 1.6 MB each."""


class Scale(NamedTuple):
    """How a difference becomes a share of change: 0 up to a floor, 1 from a share of the strong changes on."""

    floor: float
    """Least floor, in the difference's own unit."""
    deviations: float
    """The floor lies this many standard deviations above the median."""
    steep: float
    """Share of the strong changes that counts as 1."""


PIXEL_SCALE = Scale(floor=2.0, deviations=3.0, steep=0.25)
"""For the difference of pixels, in grey levels."""
ENCODER_SCALE = Scale(floor=1 / 255, deviations=2.0, steep=0.7)
"""For the difference of an encoder's features, 1 - cosine."""


class ComparablePair(NamedTuple):
    """Source and target at the size of comparison, the target registered on the source and in its colours."""

    source: Floats
    """HWC, 0 to 255."""
    target: Floats
    """HWC of the same size; fitted colours may lie a little outside of 0 to 255."""
    seen: Mask
    """HW. Where both pictures show something: a target that moved leaves a strip of the source with no counterpart."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.source.shape[1], self.source.shape[0]

    @property
    def pictures(self) -> list[Pixels]:
        """Both as uint8, for an encoder."""
        return [np.rint(picture).clip(0, 255).astype(np.uint8) for picture in (self.source, self.target)]


def comparable_pair(source_HWC: Pixels, target_HWC: Pixels) -> ComparablePair:
    """Bring a pair to one size (long side at most 256), position and colour. Pictures HWC uint8 RGB of any sizes."""
    pair = resized_pair(source_HWC, target_HWC)
    still = pair._replace(target=along_lines(pair.target, colour_lines(pair)))
    return still if edges_agree(still) else equally_sharp(registered(pair, source_HWC, target_HWC))


def resized_pair(source_HWC: Pixels, target_HWC: Pixels) -> ComparablePair:
    """A pair at the size of comparison, not registered, in its own colours."""
    height, width = source_HWC.shape[:2]
    ratio = min(1.0, LONG_SIDE / max(height, width))
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    source, target = resize(source_HWC, size).astype(np.float32), resize(target_HWC, size).astype(np.float32)
    return ComparablePair(source, target, np.ones(source.shape[:2], np.bool_))


def registered(pair: ComparablePair, source_HWC: Pixels, target_HWC: Pixels) -> ComparablePair:
    """A `resized_pair` with the target registered on the source, as the pictures themselves say."""
    movement = estimate_alignment(source_HWC, target_HWC)
    if movement == UNMOVED:
        return pair
    ratio = min(1.0, LONG_SIDE / max(source_HWC.shape[:2]))
    movement = movement._replace(x=movement.x * ratio, y=movement.y * ratio)
    # Only a place that bilinear interpolation takes from inside the target alone has been seen.
    seen_HW = _moved_back(np.ones_like(pair.source), movement, border=cv2.BORDER_CONSTANT)[..., 0] > 0.999
    return pair._replace(target=_moved_back(pair.target, movement, border=cv2.BORDER_REPLICATE), seen=seen_HW)


def equally_sharp(pair: ComparablePair) -> ComparablePair:
    """The pair with the sharper of the two pictures blurred like the other one, and the target in the source's colours.

    Of the blurs of `_BLURS` that is taken which brings the places with the sharpest edges closest to each other, if it
    does so clearly; an edit of up to 0.3 of these places does not disturb it. Colours are fitted after each blur: a
    blur takes contrast away, which a line would explain as well.
    """
    sharp_HW = _sharpest(pair.source) & pair.seen
    best = pair._replace(target=along_lines(pair.target, colour_lines(pair)))
    if not sharp_HW.any():
        return best
    apart = _apart(best, sharp_HW)
    closest = _CLEARLY * apart
    for name in ("source", "target"):
        before = apart
        for sigma in _BLURS:
            blurred = pair._replace(**{name: cv2.GaussianBlur(getattr(pair, name), (0, 0), sigma)})
            # A quarter of the pixels is enough to fit lines.
            some = ComparablePair(blurred.source[::2, ::2], blurred.target[::2, ::2], blurred.seen[::2, ::2])
            lines = colour_lines(some)
            fitted = blurred._replace(target=along_lines(blurred.target, lines))
            found = _apart(fitted, sharp_HW)
            if found >= before:
                break
            before = found
            if found < closest:
                best, closest = fitted, found
    return best


def _apart(pair: ComparablePair, where_HW: Mask) -> float:
    """How far the pictures are apart in those places of a mask where they agree best, in grey levels."""
    difference = largest_channel(np.abs(pair.source - pair.target)[where_HW])
    return float(np.sort(difference)[: max(1, round(_AGREEING * difference.size))].mean())


def largest_channel(picture: Floats) -> Floats:
    """The largest channel of each pixel, channels last: numpy's `max` over so short an axis takes ten times as long."""
    return functools.reduce(np.maximum, np.moveaxis(picture, -1, 0))


def edges_agree(pair: ComparablePair) -> bool:
    """Whether the sharpest fifth of the source's edges has a counterpart in place, so that nothing can have moved."""
    sharp_HW = _sharpest(pair.source)
    return bool(np.median(largest_channel(np.abs(pair.source - pair.target)[sharp_HW])) <= _STILL)


def _sharpest(picture_HWC: Floats) -> Mask:
    """The fifth of the places with the sharpest edges."""
    grey = np.asarray(cv2.cvtColor(picture_HWC, cv2.COLOR_RGB2GRAY), np.float32)
    steps_HW = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    return np.asarray(steps_HW >= np.quantile(steps_HW, 0.8), np.bool_)


def _moved_back(picture_HWC: Floats, movement: Alignment, *, border: int) -> Floats:
    height, width = picture_HWC.shape[:2]
    keep = 1 - movement.scale
    matrix = np.array(
        [
            [movement.scale, 0, keep * (width - 1) / 2 + movement.x],
            [0, movement.scale, keep * (height - 1) / 2 + movement.y],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(picture_HWC, matrix, (width, height), flags=flags, borderMode=border), np.float32)


def colour_lines(pair: ComparablePair) -> list[tuple[float, float]]:
    """For each channel the line (a, b) with which a·t + b brings the target closest to the source where they agree.

    Least squares, trimmed: each of four rounds fits the 70 % of the seen pixels that agreed best in the round before.
    (1, 0) if no pixel is seen.
    """
    source_HWC, target_HWC, agree_HW = pair
    lines = [(1.0, 0.0)] * target_HWC.shape[2]
    for _ in range(_ROUNDS):
        if not agree_HW.any():
            break
        lines = [
            _line(target_HWC[..., channel][agree_HW], source_HWC[..., channel][agree_HW])
            for channel in range(len(lines))
        ]
        difference_HW = largest_channel(np.abs(along_lines(target_HWC, lines) - source_HWC))
        agree_HW = pair.seen & (difference_HW <= np.quantile(difference_HW[pair.seen], _AGREEING))
    return lines


def along_lines(picture_HWC: Floats, lines: Sequence[tuple[float, float]]) -> Floats:
    """A picture in other colours: a·t + b for each channel."""
    fitted = np.empty_like(picture_HWC)
    for channel, (gain, offset) in enumerate(lines):
        fitted[..., channel] = gain * picture_HWC[..., channel] + offset
    return fitted


def without_drift(source_HWC: Pixels, target_HWC: Pixels, outside_HW: Mask) -> Pixels:
    """A target of the source's size in the source's colours, by the lines that fit where `outside_HW` is true.

    They are fitted on reduced pictures. The target as it is if less than a hundredth of the frame is outside.
    """
    if outside_HW.mean() < _LEAST_OUTSIDE:
        return target_HWC
    return _along(target_HWC, colour_lines(_reduced(source_HWC, target_HWC, outside_HW)))


def _reduced(source_HWC: Pixels, target_HWC: Pixels, seen_HW: Mask) -> ComparablePair:
    height, width = seen_HW.shape
    scale = min(1.0, _DRIFT_SIDE / max(width, height))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    source, target = (resize(picture, size).astype(np.float32) for picture in (source_HWC, target_HWC))
    seen_HW = cv2.resize(seen_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    return ComparablePair(source, target, seen_HW)


def _along(picture_HWC: Pixels, lines: Sequence[tuple[float, float]]) -> Pixels:
    return np.rint(along_lines(picture_HWC.astype(np.float32), lines)).clip(0, 255).astype(np.uint8)


def _line(x: Floats, y: Floats) -> tuple[float, float]:
    if x.std() < _FLAT:
        return 1.0, float(np.median(y - x))
    gain = float(np.clip(np.cov(x, y, bias=True)[0, 1] / x.var(dtype=np.float64), *_GAINS))
    return gain, float(y.mean(dtype=np.float64) - gain * x.mean(dtype=np.float64))


def pixel_difference(pair: ComparablePair) -> Floats:
    """Difference in grey levels, HW; an edge that lies up to a pixel off costs nothing.

    Each pixel is compared with the other picture's range within a pixel, in both directions, and the larger counts.
    """
    one, other = _smoothed(pair.source), _smoothed(pair.target)
    difference_HW = np.maximum(_beyond_range(one, other), _beyond_range(other, one))
    return np.asarray(cv2.GaussianBlur(difference_HW * pair.seen, (0, 0), 1.5), np.float32)


def _smoothed(picture_HWC: Floats) -> Floats:
    return np.asarray(cv2.GaussianBlur(picture_HWC, (0, 0), 1), np.float32)


def _beyond_range(one: Floats, other: Floats) -> Floats:
    near = np.ones((3, 3), np.uint8)
    beyond = np.maximum(cv2.erode(other, near) - one, one - cv2.dilate(other, near))
    return np.maximum(largest_channel(beyond), np.float32(0))


def _enclosed(pair: ComparablePair) -> Floats:
    """How far each place lies inside sharp changes, HW, 0 to 1: the least of the sharpest step on each of its sides.

    An edit has an outline, so there are sharp steps of the difference left and right of, above and below each of its
    pixels. A halo around it fades, and has none outside of the edit.
    """
    difference_HWC = _smoothed(pair.source) - _smoothed(pair.target)
    # A Sobel operator of size 3 weighs by 8 in sum; divided by it, a step is in grey levels a pixel.
    across, down = (cv2.Sobel(difference_HWC, cv2.CV_32F, *axes) / 8 for axes in ((1, 0), (0, 1)))
    step_HW = largest_channel(np.hypot(across, down)) * pair.seen
    floor = _usual(step_HW, floor=_SHARP, deviations=_SHARP_DEVIATIONS)
    sharp_HW = np.clip((step_HW - floor) / floor, 0, 1)
    sides = (
        np.maximum.accumulate(sharp_HW, axis=0),
        np.maximum.accumulate(sharp_HW, axis=1),
        np.maximum.accumulate(sharp_HW[::-1], axis=0)[::-1],
        np.maximum.accumulate(sharp_HW[:, ::-1], axis=1)[:, ::-1],
    )
    return np.asarray(np.minimum.reduce(sides), np.float32)


def _usual(difference_HW: Floats, *, floor: float, deviations: float) -> float:
    """What a difference may be without a change: the median and some standard deviations, estimated by the MAD."""
    median = float(np.median(difference_HW))
    deviation = float(np.median(np.abs(difference_HW - median))) * _TO_SIGMA
    return max(floor, median + deviations * deviation)


def _as_share(difference_HW: Floats, scale: Scale) -> Floats:
    low = _usual(difference_HW, floor=scale.floor, deviations=scale.deviations)
    strong = difference_HW[difference_HW > low]
    high = max(2 * low, scale.steep * float(np.quantile(strong, _STRONG))) if strong.size else 2 * low
    return np.asarray(np.clip((difference_HW - low) / (high - low), 0, 1), np.float32)


def pixel_map(pair: ComparablePair) -> Floats:
    """Change by pixels, HW, 0 to 1: their difference, where sharp changes enclose it."""
    return _as_share(pixel_difference(pair), PIXEL_SCALE) * _enclosed(pair)


def encoder_map(pair: ComparablePair, features: tuple[Floats, Floats]) -> Floats:
    """Change by an encoder's features, HW at the pair's size, 0 to 1.

    `features` are those of `pair.pictures`, (h, w, D) with vectors of length 1; their difference is 1 - cosine. It
    counts by half where no sharp changes enclose it: features look around, so that the map of an edit is wider than it.
    """
    one, other = features
    difference_HW = np.asarray(np.maximum(1 - (one * other).sum(2), 0), np.float32)
    share_HW = cv2.resize(_as_share(difference_HW, ENCODER_SCALE), pair.size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(share_HW * (1 + _enclosed(pair)) / 2, np.float32)


def is_untouched(source_HWC: Pixels, target_HWC: Pixels) -> bool:
    """Whether two pictures show the same colours everywhere, but for noise: in coarse outline, at one place.

    For edits of the whole picture, whose change of colour a `ComparablePair` takes for drift and fits away.
    """
    side = (_OUTLINE, _OUTLINE)
    one, other = (
        cv2.resize(picture, side, interpolation=cv2.INTER_AREA).astype(np.float32)
        for picture in (source_HWC, target_HWC)
    )
    return bool(largest_channel(np.abs(one - other)).mean() <= _NOISE)


class PixelMapCache:
    """Remembers the pixel maps of the last pairs, by the pictures' content. Threads may share it."""

    def __init__(self, size: int = _CACHED, *, pairs: int = _CACHED_PAIRS) -> None:
        self._maps = RecentValues[Floats](size)
        self._pairs = RecentValues[ComparablePair](pairs)

    def __call__(self, source_HWC: Pixels, target_HWC: Pixels) -> tuple[ComparablePair, Floats]:
        """The comparable pair and its `pixel_map`; both are read-only. Few pairs are remembered, as they are large."""
        key = picture_key(source_HWC) + picture_key(target_HWC)
        pair, change_HW = self._pairs.get(key), self._maps.get(key)
        if pair is None or change_HW is None:
            pair = comparable_pair(source_HWC, target_HWC)
            change_HW = pixel_map(pair)
            for array in (*pair, change_HW):
                array.setflags(write=False)
        self._pairs.put(key, pair)
        self._maps.put(key, change_HW)
        return pair, change_HW

    def map(self, source_HWC: Pixels, target_HWC: Pixels) -> Floats:
        """The `pixel_map` of a pair alone, read-only."""
        change_HW = self._maps.get(picture_key(source_HWC) + picture_key(target_HWC))
        return self(source_HWC, target_HWC)[1] if change_HW is None else change_HW


cached_pixel_map = PixelMapCache()
"""The cache that the stages of one process share."""


def chosen_map(
    kind: MapKind,
    source_HWC: Pixels,
    target_HWC: Pixels,
    *,
    encode: Callable[[list[Pixels]], Sequence[Floats]] | None,
) -> Floats:
    """The map of a kind: by pixels, by the features that `encode` gives of both pictures, or the mean of the two."""
    if kind == "pixels" or encode is None:
        return cached_pixel_map.map(source_HWC, target_HWC)
    pair, pixels_HW = cached_pixel_map(source_HWC, target_HWC)
    one, other = encode(pair.pictures)
    encoder_HW = encoder_map(pair, (one, other))
    return encoder_HW if kind == "encoder" else (encoder_HW + pixels_HW) * np.float32(0.5)
