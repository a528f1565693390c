"""Segmenters: which pixels of a box are the object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from datagen.core.fields import Box, Polygon
from datagen.core.options import PACE
from datagen.models.weights.config import WeightsConfig


class Segmentation(NamedTuple):
    """An object's pixels, and how sure the model is, 0 to 1."""

    mask: NDArray[np.bool_]
    score: float


class Annotation(NamedTuple):
    """What people marked of an object; both may be empty."""

    polygons: list[Polygon]
    """Outlines in pixels."""
    runs: Mapping[str, Any]
    """A mask as COCO's uncompressed run lengths, {size: [height, width], counts: [...]}; it precedes the outlines."""


NO_ANNOTATION = Annotation([], {})
"""What is annotated of an object that nobody marked."""


class BoxPrompts(NamedTuple):
    """A picture, HWC uint8 RGB, and the xyxy boxes of objects in it."""

    image: NDArray[np.uint8]
    boxes: Sequence[Box]
    annotations: Sequence[Annotation] = ()
    """What is annotated of each box's object; none at all is `NO_ANNOTATION` for each."""


def annotations_of(scene: BoxPrompts) -> Sequence[Annotation]:
    """What is annotated of each box's object."""
    return scene.annotations or [NO_ANNOTATION] * len(scene.boxes)


class Segmenter(Protocol):
    """Masks of the objects in boxes."""

    def __call__(self, scenes: list[BoxPrompts]) -> list[list[Segmentation]]:
        """One answer for each box of each picture; a picture is encoded once for all its boxes.

        Masks are HW, of the picture's size (an annotated one of the size that it was annotated with).
        Beyond rounding no answer depends on the other boxes, nor on the rest of the batch.
        """
        ...


def segment_each(
    segmenter: Segmenter, *, each: Sequence[tuple[NDArray[np.uint8], Box, Annotation]]
) -> list[Segmentation]:
    """One object of a picture each; a picture that comes several times, as the same array, is given once."""
    places: dict[int, list[int]] = {}
    for place, (image, _, _) in enumerate(each):
        places.setdefault(id(image), []).append(place)
    groups = list(places.values())
    scenes = [
        BoxPrompts(each[group[0]][0], [each[n][1] for n in group], [each[n][2] for n in group]) for group in groups
    ]
    found: dict[int, Segmentation] = {}
    for group, segmentations in zip(groups, segmenter(scenes), strict=True):
        found.update(zip(group, segmentations, strict=True))
    return [found[place] for place in range(len(each))]


class PromptedConfig(WeightsConfig):
    """A model of the Segment Anything family, prompted by boxes."""

    masks: Literal["single", "best"] = "single"
    """One mask for a box, as its authors advise for boxes, or that of three which the model scores best."""
    boxes_at_once: Annotated[int, PACE] = Field(default=32, ge=1)
    """Boxes of one picture that are decoded together; what does not fit into memory is halved, and stays so."""
