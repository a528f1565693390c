"""Masks as people drew them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from datagen.fields import Box
from datagen.geometry import decode_runs, draw
from datagen.models.segmenter import Annotation, Segmentation


class AnnotatedSegmenter:
    """An object's annotated mask, or the union of its outlines; an empty mask where there is neither."""

    def __call__(
        self,
        images: list[NDArray[np.uint8]],
        boxes: list[Box],  # noqa: ARG002
        annotations: list[Annotation],
    ) -> list[Segmentation]:
        """See `Segmenter`; boxes are ignored, scores are 1."""
        pairs = zip(images, annotations, strict=True)
        return [Segmentation(_mask(image, annotation), 1.0) for image, annotation in pairs]


def _mask(image_HWC: NDArray[np.uint8], annotation: Annotation) -> NDArray[np.bool_]:
    if annotation.runs:
        height, width = annotation.runs["size"]
        return decode_runs(annotation.runs["counts"], (height, width))
    return draw(annotation.polygons, (image_HWC.shape[1], image_HWC.shape[0]))
