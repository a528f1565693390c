"""The role of NSFW classifiers, which give the probability that a picture is not safe for work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class NsfwClassifier(Protocol):
    """Gives the probability that a picture is not safe for work."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """One probability, 0 to 1, for each picture; `images` are HWC uint8 RGB of any sizes."""
        ...
