"""Image-text scorers: pictures and texts in one space, where what belongs together lies close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ImageTextScorer(Protocol):
    """Embeds pictures and texts; the score of a pair is the cosine of its embeddings, -1 to 1.

    It is an `ImageEmbedder` too.
    """

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """HWC uint8 RGB pictures of any sizes; their embeddings, (N, D), each of length 1."""
        ...

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of texts, (N, D), each of length 1. What is longer than the model reads (CLIP: 77 tokens) is cut.

        None of them may be blank, which has no meaning to compare: that is for the caller to see to.
        """
        ...
