"""A segmenter without a model: it returns the masks that people drew."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from datagen.imaging.geometry import decode_rle, draw_polygons
from datagen.models.base import ModelConfig
from datagen.models.segmenters.base import Annotation, BoxPrompts, Segmentation, Segmenter, annotations_of


class AnnotatedConfig(ModelConfig):
    """What people drew, as polygons or a mask in the manifest."""

    kind: Literal["annotated"] = "annotated"
    needs: ClassVar[tuple[str, ...]] = ("polygons", "annotated_mask")

    def load(self, device: str) -> Segmenter:  # noqa: ARG002
        """Anywhere: it computes on the CPU."""
        return AnnotatedSegmenter()


class AnnotatedSegmenter:
    """Returns an object's annotated mask, else the union of its outlines, else an empty mask."""

    def __call__(self, pictures: list[BoxPrompts]) -> list[list[Segmentation]]:
        """See `Segmenter`; boxes are only counted, scores are 1."""
        return [[Segmentation(_mask(each.image, one), 1.0) for one in annotations_of(each)] for each in pictures]


def _mask(image_HWC: NDArray[np.uint8], annotation: Annotation) -> NDArray[np.bool_]:
    if annotation.runs:
        height, width = annotation.runs["size"]
        return decode_rle(annotation.runs["counts"], (height, width))
    return draw_polygons(annotation.polygons, (image_HWC.shape[1], image_HWC.shape[0]))
