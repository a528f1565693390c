"""Hashes of picture embeddings by random hyperplanes (locality-sensitive hashing for cosine similarity)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from datagen.imaging.image import Pixels
from datagen.imaging.perceptual_hash import format_hash
from datagen.models.base import ModelConfig
from datagen.models.embedders import EmbedderConfig
from datagen.models.embedders.base import ImageEmbedder
from datagen.models.hashers.base import Hasher


class EmbeddingHashConfig(ModelConfig):
    """Which side of random planes a picture's embedding lies on: look-alikes differ in few bits, not copies alone.

    Embeddings of cosine c differ in bits * arccos(c) / pi on average: of 512, 52 at 0.95, 74 at 0.9,
    give or take some 7.
    """

    kind: Literal["embedding"] = "embedding"
    embedder: EmbedderConfig
    """What embeds the pictures."""
    bits: int = Field(default=512, ge=64, le=4096, multiple_of=64)
    """How many planes there are; the more, the closer their share is to the angle."""

    @property
    def by(self) -> str:
        """The embedder and the number of bits, which each hash begins with."""
        return f"{self.embedder.revision}/{self.bits}"

    def load(self, device: str) -> Hasher:
        """The embedder, loaded. Raises `SetupError`."""
        return EmbeddingHasher(self.embedder.load(device), bits=self.bits, by=self.by)


_SEED = 0
"""Seed of the planes. Another seed gives other hashes, and then needs another `version` of the config."""


class EmbeddingHasher:
    """Makes hashes whose share of differing bits is, on average, the angle between the embeddings over 180 degrees.

    Charikar 2002, "Similarity estimation techniques from rounding algorithms".
    """

    def __init__(self, embedder: ImageEmbedder, *, bits: int, by: str) -> None:
        self._embedder = embedder
        self._bits = bits
        self._by = by

    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """See `Hasher`."""
        embedded_ND = self._embedder(pictures).astype(np.float64)
        planes_DB = np.random.default_rng(_SEED).standard_normal((embedded_ND.shape[1], self._bits))
        return [format_hash(flags, by=self._by) for flags in embedded_ND @ planes_DB > 0]
