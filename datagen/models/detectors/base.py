"""Detectors: where in a picture is what a phrase names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from datagen.core.errors import DataError
from datagen.core.fields import Box


class Detection(NamedTuple):
    """One thing that was found."""

    box: Box
    """On the picture, and not empty."""
    score: float
    """How sure the model is, 0 to 1, on a scale of its own."""
    label: str
    """The phrase that it was found by, as it was asked."""


class Detector(Protocol):
    """Boxes of what phrases name."""

    def __call__(self, images: list[NDArray[np.uint8]], phrases: list[Sequence[str]]) -> list[list[Detection]]:
        """HWC uint8 RGB pictures, each with at least one phrase of its own; all that was found, best first.

        Nothing is left out for its score, and one thing may be found more than once. Beyond rounding no answer
        depends on the rest of the batch, but it does on the other phrases of its picture. Raises `DataError` for a
        phrase without a word, or one that is too long.
        """
        ...


def best_first(
    boxes: NDArray[np.float64], scores: NDArray[np.float64], labels: Sequence[str], *, size: tuple[int, int]
) -> list[Detection]:
    """Detections from N x 4 xyxy boxes in pixels, cut at the edges of a picture of (width, height).

    What lies wholly beyond them is left out. Raises `DataError` if a model gave no numbers.
    """
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise DataError("the model's boxes or scores are no finite numbers; with float16, try bfloat16 or float32")
    width, height = size
    clipped = np.clip(boxes, 0, (width, height, width, height)).tolist()
    order = np.argsort(-scores, kind="stable").tolist()
    found = [Detection((x0, y0, x1, y1), float(scores[n]), labels[n]) for n in order for x0, y0, x1, y1 in [clipped[n]]]
    return [one for one in found if one.box[0] < one.box[2] and one.box[1] < one.box[3]]
