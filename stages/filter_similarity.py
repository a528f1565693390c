"""Drop pairs whose pictures are too different, or too similar."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from datagen import Answer, Filter, Record, StageConfig, Threshold
from datagen.models.embedders import EmbedderConfig


class FilterSimilarity(Filter):
    """Keep pairs whose pictures are similar but not the same, by the cosine of their embeddings.

    UltraEdit requires 0.4 with DINOv2, on pictures that its code does not normalise; its upper bounds are commented
    out. Rejects as `too_different` or `too_similar`.
    """

    reads = ("source", "target")
    writes = ("similarity",)
    rejects = ("too_different", "too_similar")
    thresholds = (
        Threshold("similarity", "least", "min_similarity", "too_different", by="embedder"),
        Threshold("similarity", "most", "max_similarity", "too_similar", by="embedder"),
    )
    version = 1

    class Config(StageConfig):
        """Who compares, and what is enough."""

        ordered_pairs = (("min_similarity", "max_similarity"),)

        embedder: EmbedderConfig
        """The model that embeds the pictures."""
        min_similarity: float = Field(ge=-1, le=1)
        """Least cosine that is kept, for this embedder."""
        max_similarity: float | None = Field(default=None, ge=-1, le=1)
        """Largest cosine that is kept; none if null."""

    config: Config

    def setup(self, device: str) -> None:
        """Load the embedder."""
        self.embedder = self.config.embedder.load(device)

    def measure(self, batch: list[Record]) -> list[Answer]:
        """Compare the pictures of each pair."""
        sources_ND = self.embedder([record["source"].array for record in batch])
        targets_ND = self.embedder([record["target"].array for record in batch])
        return [{"similarity": round(float(cosine), 6)} for cosine in np.sum(sources_ND * targets_ND, axis=1)]
