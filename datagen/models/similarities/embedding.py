"""Similarity as the cosine of two embeddings, such as CLIP's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from datagen.models.base import ModelConfig
from datagen.models.embedders import EmbedderConfig
from datagen.models.embedders.base import ImageEmbedder
from datagen.models.similarities.base import PictureSimilarity


class EmbeddingSimilarityConfig(ModelConfig):
    """The cosine of two pictures' embeddings: with an embedder of kind `clip` or `open_clip` the CLIP score of MCIE."""

    kind: Literal["embedding"] = "embedding"

    embedder: EmbedderConfig
    """The model that embeds pictures. Its `batch_size` has to be at least twice the candidates of a turn, so that all
    masked pictures of a turn are one batch."""

    def load(self, device: str) -> PictureSimilarity:
        """The similarity. Raises `SetupError` if its embedder cannot be loaded."""
        return EmbeddingSimilarity(self.embedder.load(device))


class EmbeddingSimilarity:
    """Embeds all pictures of a call together."""

    def __init__(self, embedder: ImageEmbedder) -> None:
        self._embedder = embedder

    def __call__(self, first: Sequence[NDArray[np.uint8]], second: Sequence[NDArray[np.uint8]]) -> list[float]:
        """See `PictureSimilarity`."""
        if not first:
            return []
        rows_ND = self._embedder([*first, *second])
        return [float(cosine) for cosine in np.sum(rows_ND[: len(first)] * rows_ND[len(first) :], axis=1)]
