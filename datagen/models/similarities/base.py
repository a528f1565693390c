"""The role of similarities, which compare two pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class PictureSimilarity(Protocol):
    """Says how alike the pictures of each pair are; 1 if they are equal."""

    def __call__(self, first: Sequence[NDArray[np.uint8]], second: Sequence[NDArray[np.uint8]]) -> list[float]:
        """One number a pair, at most 1. Pictures are HWC uint8 RGB; the two of a pair may differ in size."""
        ...
