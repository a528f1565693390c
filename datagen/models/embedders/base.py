"""Image embedders: pictures as points, where what looks alike lies close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray

from datagen.models.scorers.base import ClipConfig, OpenClipConfig, Siglip2Config
from datagen.models.weights.config import WeightsConfig


class ImageEmbedder(Protocol):
    """Embeds pictures; the similarity of two is the cosine of their embeddings, -1 to 1."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """HWC uint8 RGB pictures of any sizes; their embeddings, (N, D), each of length 1."""
        ...


class DinoConfig(WeightsConfig):
    """DINO v1 (Caron et al. 2021), as benchmarks of editing use it: the class token of `facebook/dino-vits16`.

    Pictures are prepared as in DINO's own evaluation: shorter side 256 (for a model of 224), bicubic, centre crop.
    """

    kind: Literal["dino"] = "dino"
    fetched: ClassVar[tuple[str, ...]] = ("*.json", "*.safetensors", "pytorch_model.bin")
    """The repositories are from before safetensors."""

    def load(self, device: str) -> ImageEmbedder:
        """The model. Raises `SetupError`."""
        from datagen.models.embedders.dino import dino_embedder

        return dino_embedder(self, device=device)


class Dinov2Config(WeightsConfig):
    """DINOv2 (Oquab et al. 2023) through transformers, such as `facebook/dinov2-base`: its class token.

    Pictures are normalised by its own processor; UltraEdit's published code leaves that out.
    """

    kind: Literal["dinov2"] = "dinov2"

    def load(self, device: str) -> ImageEmbedder:
        """The model. Raises `SetupError`."""
        from datagen.models.embedders.dino import dinov2_embedder

        return dinov2_embedder(self, device=device)


EmbedderConfig = Annotated[
    DinoConfig | Dinov2Config | ClipConfig | Siglip2Config | OpenClipConfig, pydantic.Field(discriminator="kind")
]
"""Every kind of embedder, told apart by `kind`."""
