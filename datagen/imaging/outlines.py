"""Masks of annotated objects, from the polygons or run lengths that a source gives for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from datagen.core.errors import DataError
from datagen.core.fields import Box, Polygon
from datagen.imaging.geometry import draw_polygons, encode_rle
from datagen.imaging.image import Mask
from datagen.imaging.rle import RunLengthMask, parse_rle

SAME = 0.8
"""Intersection over union from which two masks are of one thing."""


def run_lengths(mask_HW: Mask) -> RunLengthMask:
    """A mask of pixels as run lengths."""
    return RunLengthMask(np.asarray(encode_rle(mask_HW), np.int64), *mask_HW.shape)


def outline_of(
    polygons: Iterable[Polygon], runs: Mapping[str, Any] | None, *, size: tuple[int, int]
) -> RunLengthMask | None:
    """The mask of an object on a picture of `size` (width, height), from its run lengths, else from its polygons.

    `runs` are COCO's uncompressed run lengths, {size: [height, width], counts: [...]}. None if the object has no pixel,
    or an annotation that cannot be used: of another size than the picture, or with run lengths that do not fill it.
    """
    if runs:
        if tuple(runs["size"]) != size[::-1]:
            return None
        try:
            found = parse_rle(runs["counts"], height=size[1], width=size[0])
        except DataError:
            return None
    else:
        found = run_lengths(draw_polygons(polygons, size))
    return found if found.area else None


def instance_outlines(
    instances: Sequence[Mapping[str, Any]], things: Sequence[Mapping[str, Any]], *, size: tuple[int, int]
) -> list[RunLengthMask | None]:
    """The mask of each of a record's `instances`; None for one without.

    Args:
        instances: those of `things` that are on the picture, in the same order.
        things: the annotated objects, `objects` or `found_objects`.
        size: width and height of the picture in pixels.
    """
    found: list[RunLengthMask | None] = []
    rest = iter(things)
    for instance in instances:
        same = next((thing for thing in rest if _is_same(thing, instance)), None)
        found.append(None if same is None else outline_of(same["polygons"], same["mask"], size=size))
    return found


def in_front(outline: RunLengthMask, *, of: RunLengthMask) -> bool:
    """Whether pixels that two masks share show the object of `outline`, and not the one that it is in front `of`.

    Of two outlines the smaller is taken to be in front, as a saucer's is drawn across the spoon on it. Masks that share
    more than `SAME` of their pixels are taken to be of one thing.
    """
    shared = outline.shared(of)
    both = outline.area + of.area - shared
    return 0 < shared < SAME * both and outline.area < of.area


def _is_same(thing: Mapping[str, Any], instance: Mapping[str, Any]) -> bool:
    return thing["label"] == instance["label"] and _edges(thing["box"]) == _edges(instance["box"])


def _edges(box: Iterable[float]) -> Box:
    x0, y0, x1, y1 = box
    return x0, y0, x1, y1
