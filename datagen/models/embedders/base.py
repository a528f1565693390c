"""The role of image embedders, which turn pictures into vectors: similar pictures have similar vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ImageEmbedder(Protocol):
    """Embeds pictures. The similarity of two pictures is the cosine of their embeddings, -1 to 1."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embeddings (N, D), each of length 1, of N pictures, HWC uint8 RGB of any sizes."""
        ...
