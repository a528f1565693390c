"""The role of perceptual distances, which say how different two pictures look."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class PerceptualDistance(Protocol):
    """Compares pictures in pairs; 0 if they are equal, and larger the more they differ."""

    def __call__(self, first: Sequence[NDArray[np.uint8]], second: Sequence[NDArray[np.uint8]]) -> list[float]:
        """One number a pair. Pictures are HWC uint8 RGB; the two of a pair have one size."""
        ...
