"""Whether two boxes stand to each other as a relation of position says."""

from __future__ import annotations

import math

from datagen.core.fields import Box
from datagen.scene_graphs.graph import OPPOSITES

_SLACK = 0.1
"""Share of the boxes' mean sizes by which centres may be apart and still count as level."""
_LEAST_COMPONENT = 0.5
"""Least component of the direction from one centre to the other, along the axis of the predicate."""


def stands(predicate: str, subject: Box, object: Box) -> bool:
    """Whether a box stands `left of`, `right of`, `above` or `below` another, by GenEval's rule.

    The offset of the centres is shortened on each axis by a tenth of the boxes' sizes together. What is left, over the
    length of the whole offset, has to exceed 0.5 along the predicate's axis (GenEval, evaluation/evaluate_images.py).
    Raises `ValueError` for another predicate.
    """
    if predicate in ("right of", "below"):
        return stands(OPPOSITES[predicate], object, subject)
    if predicate not in ("left of", "above"):
        raise ValueError(f"'{predicate}' is no relation of position that boxes can show")
    axis = 0 if predicate == "left of" else 1
    offset = [(object[i] + object[i + 2] - subject[i] - subject[i + 2]) / 2 for i in (0, 1)]
    sizes = [object[i + 2] - object[i] + subject[i + 2] - subject[i] for i in (0, 1)]
    length = math.hypot(*offset)
    return length > 0 and (offset[axis] - _SLACK * sizes[axis]) / length > _LEAST_COMPONENT
