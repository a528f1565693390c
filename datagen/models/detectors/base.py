"""The role of detectors, which find the boxes of what phrases name in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError
from datagen.core.fields import Box


class Detection(NamedTuple):
    """One object that was found."""

    box: Box
    """xyxy in pixels, inside the picture, not empty."""
    score: float
    """How sure the model is, 0 to 1. Scores of different models are not comparable."""
    label: str
    """The phrase that matched it, spelt as in the call."""


class Detector(Protocol):
    """Finds the boxes of what phrases name."""

    def __call__(self, images: list[NDArray[np.uint8]], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        """All detections in each picture, best first.

        `images` are HWC uint8 RGB, and each has at least one phrase in `phrases`. No score threshold is applied, and
        one object may be found several times. Apart from rounding, an answer does not depend on the rest of the batch,
        but it may depend on the other phrases of its picture. Raises `DataError` for a phrase that has no word or is
        too long for the model.
        """
        ...


def best_first(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], labels: Sequence[str], *, size: tuple[int, int]
) -> list[Detection]:
    """Detections sorted by score, from N x 4 xyxy boxes in pixels, clipped to a picture of `size` (width, height).

    Boxes outside the picture are left out. Raises `DataError` if a box or score is not finite.
    """
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise DataError("the model's boxes or scores are no finite numbers; with float16, try bfloat16 or float32")
    width, height = size
    clipped = np.clip(boxes, 0, (width, height, width, height)).tolist()
    order = np.argsort(-scores, kind="stable").tolist()
    found = [Detection((x0, y0, x1, y1), float(scores[n]), labels[n]) for n in order for x0, y0, x1, y1 in [clipped[n]]]
    return [one for one in found if one.box[0] < one.box[2] and one.box[1] < one.box[3]]
