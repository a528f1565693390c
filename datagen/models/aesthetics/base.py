"""The role of aesthetic predictors, which predict how much people like a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class AestheticPredictor(Protocol):
    """Scores pictures from about 1 to 10. Each kind has a scale of its own: a threshold fits one kind only."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """One score for each picture; `images` are HWC uint8 RGB of any sizes."""
        ...
