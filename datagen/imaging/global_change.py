"""What an edit of the whole picture changed, and what it changed besides.

An edit of the whole picture changes every pixel. What it does where nothing else happened is explained by one smooth
map of colours (`tone`), after the movement that damage made, or by that of the mirrored picture; what is not explained
was edited besides.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from datagen.imaging.change_map import (
    ComparablePair,
    Floats,
    edges_agree,
    equally_sharp,
    pixel_difference,
    pixel_map,
    registered,
    resized_pair,
)
from datagen.imaging.image import Mask, Pixels
from datagen.imaging.map_boxes import ChangePart, edit_parts
from datagen.imaging.recent_values import RecentValues, picture_key
from datagen.imaging.tone import fit_tone

_EXPLAINED = 0.05
"""Largest mean of the map of what remains, so that the edit counts as a change of tone."""
_LIKE = 0.8
"""Least correlation of source and target in that tone, likewise, where nothing else changed."""
_CALM = 0.1
"""Largest value of the map where nothing else changed."""
_FLAT = 0.5
"""Standard deviation in grey levels below which a picture is a plain colour."""
_SEEN = 16.0
"""Least difference of a place that was edited besides, in grey levels: noise, blur and halos leave less."""
_OUTLINE = 64
"""Side in pixels at which pictures are compared in outline."""
_REMEMBERED = 64
"""Pairs that are remembered: windows of a session share its turns."""


class GlobalChange(NamedTuple):
    """A change of a whole picture."""

    mirrored: bool
    """Whether left and right were exchanged."""
    is_tone: bool
    """Whether a change of tone explains it; if not, what was edited besides cannot be told."""
    strays: list[ChangePart]
    """What was edited besides, the largest part first; masks and boxes on the map's grid."""


_changes = RecentValues[GlobalChange](_REMEMBERED)


def global_change(source_HWC: Pixels, target_HWC: Pixels) -> GlobalChange:
    """The change that an edit of the whole picture made, by pixels alone; the last ones are remembered."""
    key = picture_key(source_HWC) + picture_key(target_HWC)
    return _changes.of(key, lambda: _found(source_HWC, target_HWC))


def changed_likewise(picture_HWC: Pixels, source_HWC: Pixels, target_HWC: Pixels, seen_HW: Mask) -> Pixels | None:
    """A picture of what the source shows, of its size, after the edit of the whole source; None if that is no tone.

    The tone is fitted between the picture and the target where `seen_HW`, HW, is true.
    """
    change = global_change(source_HWC, target_HWC)
    if not change.is_tone:
        return None
    picture_HWC = np.ascontiguousarray(picture_HWC[:, ::-1]) if change.mirrored else picture_HWC
    return fit_tone(picture_HWC, target_HWC, seen_HW).picture(picture_HWC)


def _found(source_HWC: Pixels, target_HWC: Pixels) -> GlobalChange:
    mirrored_HWC = np.ascontiguousarray(source_HWC[:, ::-1])
    mirrored = _likeness(mirrored_HWC, target_HWC) > _likeness(source_HWC, target_HWC)
    pair = _in_tone(mirrored_HWC if mirrored else source_HWC, target_HWC)
    change_HW = pixel_map(pair)
    calm_HW = change_HW <= _CALM
    is_tone = bool(change_HW.mean() <= _EXPLAINED) and _correlation(*(each[calm_HW] for each in pair.pictures)) >= _LIKE
    return GlobalChange(mirrored, is_tone, _strays(pair, change_HW) if is_tone else [])


def _likeness(one_HWC: Pixels, other_HWC: Pixels) -> float:
    """Correlation of two pictures in coarse outline, whatever their tones; 0 if one is a plain colour."""
    side = (_OUTLINE, _OUTLINE)
    small = (cv2.resize(each, side, interpolation=cv2.INTER_AREA) for each in (one_HWC, other_HWC))
    return _correlation(*(np.asarray(each, np.uint8) for each in small))


def _correlation(one: Pixels, other: Pixels) -> float:
    """Correlation of the grey levels of two pictures or lists of pixels, channels last.

    Of plain colours 1 if both are plain, else 0.
    """
    greys = [picture.mean(-1).ravel() for picture in (one, other)]
    plain = [not grey.size or grey.std() <= _FLAT for grey in greys]
    return float(all(plain)) if any(plain) else float(np.corrcoef(*greys)[0, 1])


def _in_tone(source_HWC: Pixels, target_HWC: Pixels) -> ComparablePair:
    """The pair in the target's tone, registered, and of equal sharpness."""
    pair = resized_pair(source_HWC, target_HWC)
    still = _toned(pair)
    if edges_agree(still):
        return still
    return equally_sharp(_toned(registered(pair, source_HWC, target_HWC)))


def _toned(pair: ComparablePair) -> ComparablePair:
    tone = fit_tone(pair.source, pair.target, pair.seen)
    return pair._replace(source=tone.applied(pair.source))


def _strays(pair: ComparablePair, change_HW: Floats) -> list[ChangePart]:
    seen_HW = pixel_difference(pair) >= _SEEN
    return edit_parts(np.where(seen_HW, change_HW, np.float32(0)), places=0).others
