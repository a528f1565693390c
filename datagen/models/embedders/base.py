"""Image embedders: pictures as points, where what looks alike lies close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ImageEmbedder(Protocol):
    """Embeds pictures; the similarity of two is the cosine of their embeddings, -1 to 1."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """HWC uint8 RGB pictures of any sizes; their embeddings, (N, D), each of length 1."""
        ...
