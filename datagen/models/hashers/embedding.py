"""Hashes of pictures' embeddings: on which side of random planes each lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from datagen.imaging.image import Pixels
from datagen.imaging.perceptual_hash import hash_text
from datagen.models.embedders.base import ImageEmbedder

_SEED = 0
"""Of the planes: another one makes other hashes, and needs another `version` of the config."""


class EmbeddingHasher:
    """Hashes whose share of differing bits is, on average, the angle of two embeddings over 180 degrees.

    Charikar 2002, "Similarity estimation techniques from rounding algorithms".
    """

    def __init__(self, embedder: ImageEmbedder, *, bits: int, by: str) -> None:
        self._embedder = embedder
        self._bits = bits
        self._by = by

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """Hash each picture."""
        embedded_ND = self._embedder(pictures).astype(np.float64)
        planes_DB = np.random.default_rng(_SEED).standard_normal((embedded_ND.shape[1], self._bits))
        return [hash_text(flags, by=self._by) for flags in embedded_ND @ planes_DB > 0]
