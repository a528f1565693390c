"""Similarities of two pictures, as one number."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.similarities.embedding import EmbeddingSimilarityConfig
from datagen.models.similarities.pixels import PixelSimilarityConfig

SimilarityConfig = Annotated[EmbeddingSimilarityConfig | PixelSimilarityConfig, pydantic.Field(discriminator="kind")]
"""Every kind of similarity; `kind` selects one."""
