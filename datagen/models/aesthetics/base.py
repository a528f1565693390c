"""Aesthetic predictors: how much people would like a picture, each on a scale of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class AestheticPredictor(Protocol):
    """Scores pictures, about 1 to 10. No two kinds agree on what a number means."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """HWC uint8 RGB pictures of any sizes; their scores."""
        ...
