"""The role of segmenters, which find the pixels of the object in a box."""

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
    """The mask of an object."""

    mask: NDArray[np.bool_]
    """HW."""
    score: float
    """How sure the model is, 0 to 1."""


class Annotation(NamedTuple):
    """The outlines and the mask that people drew for an object; both may be empty."""

    polygons: list[Polygon]
    """Outlines in pixels."""
    runs: Mapping[str, Any]
    """A mask as COCO's uncompressed run lengths, {size: [height, width], counts: [...]}; preferred to the outlines."""


NO_ANNOTATION = Annotation([], {})
"""For an object that nobody annotated."""


class BoxPrompts(NamedTuple):
    """A picture and the boxes of the objects to segment in it."""

    image: NDArray[np.uint8]
    """HWC RGB."""
    boxes: Sequence[Box]
    """xyxy in pixels."""
    annotations: Sequence[Annotation] = ()
    """One for each box; empty if no box has one."""


def annotations_of(prompts: BoxPrompts) -> Sequence[Annotation]:
    """One annotation for each box, `NO_ANNOTATION` if there are none."""
    return prompts.annotations or [NO_ANNOTATION] * len(prompts.boxes)


class Segmenter(Protocol):
    """Finds the masks of the objects in boxes."""

    def __call__(self, pictures: list[BoxPrompts]) -> list[list[Segmentation]]:
        """One segmentation for each box of each picture; a picture is encoded once for all its boxes.

        Masks are HW and have the picture's size (an annotated mask has the size that its annotation gives). Apart from
        rounding, an answer depends neither on the other boxes nor on the rest of the batch.
        """
        ...


def segment_each(
    segmenter: Segmenter, *, each: Sequence[tuple[NDArray[np.uint8], Box, Annotation]]
) -> list[Segmentation]:
    """Segment one box of a picture each; boxes of the same array object become prompts of one picture.

    `each` are pictures, HWC uint8 RGB, with a box and its annotation. Results are in the order of `each`.
    """
    numbers: dict[int, list[int]] = {}
    for number, (image, _, _) in enumerate(each):
        numbers.setdefault(id(image), []).append(number)
    groups = list(numbers.values())
    pictures = [
        BoxPrompts(each[group[0]][0], [each[n][1] for n in group], [each[n][2] for n in group]) for group in groups
    ]
    found: dict[int, Segmentation] = {}
    for group, segmentations in zip(groups, segmenter(pictures), strict=True):
        found.update(zip(group, segmentations, strict=True))
    return [found[number] for number in range(len(each))]


class PromptedConfig(WeightsConfig):
    """A model of the Segment Anything family, prompted by boxes."""

    masks: Literal["single", "best"] = "single"
    """One mask for a box, as its authors advise for boxes, or that of three which the model scores best."""
    boxes_at_once: Annotated[int, PACE] = Field(default=32, ge=1)
    """Boxes of one picture that are decoded together; what does not fit into memory is halved, and stays so."""
