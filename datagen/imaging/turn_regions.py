"""Where each turn of an editing session edits, and what it changed besides, by the maps of its changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from datagen.imaging.geometry import dilate
from datagen.imaging.image import Mask
from datagen.imaging.map_boxes import ChangePart, EditParts

_EDGE = 2
"""By how many pixels the map of a change may be wider than the change, at least on small pictures."""
_COVERED = 0.02
"""Largest share that an edit may leave uncovered of what an earlier turn changed elsewhere."""


class TurnChange(NamedTuple):
    """What one turn changed, by pixels."""

    parts: EditParts
    """Its edit's, none of an edit of the whole picture, and what changed besides."""
    mirrored: bool = False
    """Whether it exchanged left and right of the whole picture."""


class TurnRegion(NamedTuple):
    """What one turn does where, each HW."""

    region: Mask
    """What is taken from the picture after it."""
    stray: Mask
    """What it and earlier turns changed away from their edits, grown for soft edges."""
    edited: Mask
    """What it edits."""


def plain_regions(boxes: Sequence[Mask]) -> list[TurnRegion]:
    """Regions that are boxes, HW, of turns that changed nothing elsewhere."""
    nothing_HW = np.zeros_like(boxes[0])
    return [TurnRegion(box_HW, nothing_HW, nothing_HW) for box_HW in boxes]


def turn_regions(boxes: Sequence[Mask], changes: Sequence[TurnChange], *, grow: int) -> list[TurnRegion] | None:
    """The region of each turn, of its box (HW) and what it changed.

    A turn that edits several places has no region between those that the map shows. What it changed elsewhere is grown
    by `grow` pixels. None if a turn edits a part of what an earlier one changed elsewhere.
    """
    found: list[Mask] = []
    regions: list[TurnRegion] = []
    for box_HW, change in zip(boxes, changes, strict=True):
        own, others = change.parts
        if change.mirrored:
            found = [stray_HW[:, ::-1] for stray_HW in found]
        edited_HW = _mask_of([part.mask for part in own], box_HW.shape)
        if any(_is_cut(stray_HW, edited_HW) for stray_HW in found):
            return None
        found = [stray_HW for stray_HW in found if not (stray_HW & edited_HW).any()]
        found += [_mask_of([part.mask], box_HW.shape) for part in others]
        stray_HW = dilate(_mask_of(found, box_HW.shape), grow) & ~edited_HW
        if len(own) > 1:
            box_HW = box_HW & dilate(_mask_of([_box_of(part) for part in own], box_HW.shape), 2 * grow)
        regions.append(TurnRegion(box_HW, stray_HW, edited_HW))
    return regions


def _is_cut(stray_HW: Mask, edited_HW: Mask) -> bool:
    """Whether an edit covers a part of something, but not nearly all of it. Its mask is wider than itself."""
    if not (stray_HW & edited_HW).any():
        return False
    inner_HW = ~dilate(~edited_HW, _EDGE)
    return bool((stray_HW & ~inner_HW).sum() > _COVERED * stray_HW.sum())


def _mask_of(masks: Sequence[Mask], shape: tuple[int, ...]) -> Mask:
    """All masks as one of a shape that may be another one."""
    if not masks:
        return np.zeros(shape, np.bool_)
    union_HW = np.logical_or.reduce(masks).astype(np.uint8)
    return np.asarray(cv2.resize(union_HW, shape[::-1], interpolation=cv2.INTER_NEAREST) > 0, np.bool_)


def _box_of(part: ChangePart) -> Mask:
    box_HW = np.zeros_like(part.mask)
    box_HW[part.box[1] : part.box[3], part.box[0] : part.box[2]] = True
    return box_HW
