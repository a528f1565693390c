"""The role of image-text scorers, which embed pictures and texts in one space to say how well they match."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ImageTextScorer(Protocol):
    """Embeds pictures and texts. The score of a pair is the cosine of its embeddings, -1 to 1.

    A scorer is an `ImageEmbedder` too.
    """

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embeddings (N, D), each of length 1, of N pictures, HWC uint8 RGB of any sizes."""
        ...

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings (N, D), each of length 1, of N texts. Longer texts than the model reads (CLIP: 77 tokens) are cut.

        The caller makes sure that no text is blank: its embedding would mean nothing.
        """
        ...
