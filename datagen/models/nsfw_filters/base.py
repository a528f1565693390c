"""NSFW classifiers: how likely a picture is one that not everyone wants to see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class NsfwClassifier(Protocol):
    """Judges pictures."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """HWC uint8 RGB pictures of any sizes; the probability of the labels that count, 0 to 1."""
        ...
