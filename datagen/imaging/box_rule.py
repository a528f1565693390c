"""Choose the box of an edit among candidates, by a map of the change (0 to 1) or by what is left outside of each box.

The corrected rule asks that a box holds the change (recall), that what it holds has changed (precision), and that the
change ends at its edge. Equation 1 of MCIE (arXiv:2602.07993, section 3.1) asks only for the first: the whole frame,
and anything around the edit, always satisfies it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from datagen.core.fields import Box
from datagen.imaging.geometry import clip_box
from datagen.imaging.image import Pixels
from datagen.imaging.map_boxes import ChangePart

Floats = NDArray[np.float32]
Sums = NDArray[np.float64]

MapKind = Literal["pixels", "encoder", "both"]
"""What a change map compares: pixels, an encoder's features, or the mean of both."""

TIE = 1e-6
"""Scores that differ by no more are equal."""
LEAST_SIDE = 2
"""Least width and height of a box, in pixels of the source: no smaller box is the region of an edit."""
_RIM = 0.15
"""Width of the rim inside a box and of the ring around it, as a share of its short side."""
_LEAST_RIM = 2.0
"""The same, at least, in pixels of the map."""


class RuleWeights(NamedTuple):
    """How the terms of the corrected rule are weighed."""

    beta: float
    """Recall counts this many times as much as precision, as in an F score."""
    gradient: float
    """Weight of the change's step at the box's edge."""


WEIGHTS: dict[MapKind, RuleWeights] = {
    "pixels": RuleWeights(beta=2, gradient=0.4),
    "encoder": RuleWeights(beta=1, gradient=0.2),
    "both": RuleWeights(beta=1.5, gradient=0.4),
}
"""Our own values, by kind of map."""


class BoxTerms(NamedTuple):
    """What the map says of one box."""

    recall: float
    """Share of all change that lies inside, 0 to 1."""
    precision: float
    """Mean change inside, 0 to 1: the price of area."""
    gradient: float
    """Mean change in the box's inner rim less that in the ring around it, -1 to 1."""
    agree: float
    """How far the pictures agree outside: 1 less the mean change there; 1 if nothing is outside."""


def box_fault(box: Sequence[float], size: tuple[int, int], *, largest_share: float) -> str:
    """Why a box cannot be chosen on a picture of `size` (width, height); '' if it can.

    `not_finite`, `inverted`, `empty`, `outside` (all of it), `too_small` (a side below 2 pixels inside the frame) or
    `too_large` (more than `largest_share` of the frame).
    """
    if len(box) != 4 or not all(isinstance(edge, int | float) and math.isfinite(edge) for edge in box):
        return "not_finite"
    x0, y0, x1, y1 = box
    if x0 > x1 or y0 > y1:
        return "inverted"
    if x0 == x1 or y0 == y1:
        return "empty"
    if x1 <= 0 or y1 <= 0 or x0 >= size[0] or y0 >= size[1]:
        return "outside"
    x0, y0, x1, y1 = clip_box((x0, y0, x1, y1), size)
    if min(x1 - x0, y1 - y0) < min(LEAST_SIDE, *size):
        return "too_small"
    return "too_large" if (x1 - x0) * (y1 - y0) > largest_share * size[0] * size[1] else ""


def candidate_row(candidate: Mapping[str, Any], *, size: tuple[int, int], largest_share: float) -> dict[str, Any]:
    """The row of a candidate {box, by} in the field `box_terms`, before its terms are known; see `box_fault`."""
    fault = box_fault(candidate["box"], size, largest_share=largest_share)
    box = None if fault == "not_finite" else list(candidate["box"])  # JSON has no NaN
    terms = dict.fromkeys((*BoxTerms._fields, "published", "corrected", "score"))
    return {"box": box, "by": candidate["by"], "fault": fault, **terms}


def box_terms(change_HW: Floats, boxes: Sequence[Box], *, size: tuple[int, int]) -> list[BoxTerms]:
    """The terms of boxes that `box_fault` accepts, in pixels of a picture of `size` (width, height).

    The map may have another size than the picture; the edges of boxes need not lie on its grid.
    """
    height, width = change_HW.shape
    sums = cv2.integral(change_HW.astype(np.float64))
    scale = (width / size[0], height / size[1])
    return [_terms_of(sums, clip_box(tuple(box), size), scale) for box in boxes]  # type: ignore[arg-type]


def _terms_of(sums: Sums, box: Box, scale: tuple[float, float]) -> BoxTerms:
    frame = (0.0, 0.0, sums.shape[1] - 1.0, sums.shape[0] - 1.0)
    inner = box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]
    total, inside, area = _sum(sums, frame), _sum(sums, inner), _area(inner)
    rim = max(_LEAST_RIM, _RIM * min(inner[2] - inner[0], inner[3] - inner[1]))
    core, around = _grown(inner, -rim, frame), _grown(inner, rim, frame)
    step = _mean(inside - _sum(sums, core), area - _area(core), otherwise=inside / area)
    # Beyond the frame nothing can have changed; a box that fills it ends nowhere and has no step.
    beside = _mean(_sum(sums, around) - inside, _area(around) - area, otherwise=1.0)
    return BoxTerms(
        recall=inside / total if total > 0 else 0.0,
        precision=inside / area,
        gradient=step - beside,
        agree=1 - _mean(total - inside, _area(frame) - area, otherwise=0.0),
    )


def _grown(box: Box, by: float, frame: Box) -> Box:
    """The box with each edge moved outwards, inside the frame; a box that shrinks to nothing is a point."""
    x0, y0, x1, y1 = (
        max(box[0] - by, 0.0),
        max(box[1] - by, 0.0),
        min(box[2] + by, frame[2]),
        min(box[3] + by, frame[3]),
    )
    if by < 0:
        x0, y0, x1, y1 = box[0] - by, box[1] - by, box[2] + by, box[3] + by
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else (box[0], box[1], box[0], box[1])


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _mean(total: float, area: float, *, otherwise: float) -> float:
    return total / area if area > 1e-9 else otherwise


def _sum(sums: Sums, box: Box) -> float:
    """Sum of a map inside a box, from its integral image (H + 1, W + 1), bilinear between the grid's lines.

    No value of the map is below 0, so that no sum is either.
    """

    def at(x: float, y: float) -> float:
        column, row = min(int(x), sums.shape[1] - 2), min(int(y), sums.shape[0] - 2)
        right, down = x - column, y - row
        (a, b), (c, d) = sums[row : row + 2, column : column + 2]
        return float((a * (1 - right) + b * right) * (1 - down) + (c * (1 - right) + d * right) * down)

    x0, y0, x1, y1 = box
    return max(at(x1, y1) - at(x0, y1) - at(x1, y0) + at(x0, y0), 0.0)  # rounding may give -1e-17


def corrected_score(terms: BoxTerms, weights: RuleWeights) -> float:
    """(1 + β²)·P·R / (β²·P + R) + g·G: at most 1 + g, and about 1 where box and change fill each other."""
    squared = weights.beta**2
    below = squared * terms.precision + terms.recall
    held = (1 + squared) * terms.precision * terms.recall / below if below > 0 else 0.0
    return held + weights.gradient * terms.gradient


def best_box(scores: Sequence[float], boxes: Sequence[Box]) -> int:
    """The place of the box with the highest score; of those within 1e-6 of it the smallest, then the first."""
    highest = max(scores)
    equal = [place for place, score in enumerate(scores) if score >= highest - TIE]
    return min(equal, key=lambda place: (_area(boxes[place]), place))


def box_around_parts(
    change_HW: Floats, boxes: Sequence[Box], parts: Sequence[ChangePart], *, size: tuple[int, int], weights: RuleWeights
) -> Box:
    """The box around the best one of `boxes` for each of several parts of a map, which has no other change then."""
    chosen = []
    for part in parts:
        own_HW = np.where(part.mask, change_HW, np.float32(0))
        scores = [corrected_score(terms, weights) for terms in box_terms(own_HW, boxes, size=size)]
        chosen.append(boxes[best_box(scores, boxes)])
    x0, y0, x1, y1 = zip(*chosen, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def masked_out(picture_HWC: Pixels, box: Box) -> Pixels:
    """The picture with the pixels of a box set to zero: I ⊙ (1 - M) in equation 1. Part of a pixel counts as all."""
    height, width = picture_HWC.shape[:2]
    x0, y0, x1, y1 = clip_box(box, (width, height))
    masked_HWC = picture_HWC.copy()
    masked_HWC[math.floor(y0) : math.ceil(y1), math.floor(x0) : math.ceil(x1)] = 0
    return masked_HWC
