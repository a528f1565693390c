"""Aesthetic predictors: how much people would like a picture, each on a scale of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Protocol

import numpy as np
import pydantic
from numpy.typing import NDArray

from datagen.models.scorers.base import ClipConfig, OpenClipConfig, Siglip2Config
from datagen.models.weights.config import PlacedConfig

_CLIP_COMMIT = "32bd64288804d66eefd0ccbe215aa642df71cc41"
_SIGLIP_COMMIT = "9fdffc58afc957d1a03a25b10dba0329ab15c2a3"

ClipEncoder = Annotated[ClipConfig | OpenClipConfig, pydantic.Field(discriminator="kind")]
"""What embeds the pictures: the CLIP that the predictor was trained on, or its scores mean nothing."""


class AestheticPredictor(Protocol):
    """Scores pictures, about 1 to 10. No two kinds agree on what a number means."""

    def __call__(self, images: Sequence[NDArray[np.uint8]]) -> list[float]:
        """HWC uint8 RGB pictures of any sizes; their scores."""
        ...


class LaionV1Config(PlacedConfig):
    """LAION's first predictor: linear, on CLIP embeddings of length 1.

    Its weights are one file of LAION-AI/aesthetic-predictor on GitHub, such as `sa_0_4_vit_l_14_linear.pth`.
    """

    kind: Literal["laion_v1"] = "laion_v1"
    encoder: ClipEncoder = ClipConfig(weights="openai/clip-vit-large-patch14", commit=_CLIP_COMMIT)
    """The CLIP model; that of `..._vit_b_32_...` is `openai/clip-vit-base-patch32`."""

    def load(self, device: str) -> AestheticPredictor:
        """Encoder and head. Raises `SetupError`."""
        from datagen.models.aesthetics.predictor import aesthetic_predictor

        return aesthetic_predictor(self, device=device)


class LaionV2Config(PlacedConfig):
    """LAION's second predictor, "improved": five linear layers without activations, on CLIP embeddings of length 1.

    Its weights are one file of christophschuhmann/improved-aesthetic-predictor on GitHub,
    `sac+logos+ava1-l14-linearMSE.pth`. MIGE names no predictor; thresholds of its time are this one's.
    """

    kind: Literal["laion_v2"] = "laion_v2"
    encoder: ClipEncoder = ClipConfig(weights="openai/clip-vit-large-patch14", commit=_CLIP_COMMIT)
    """The CLIP model."""

    def load(self, device: str) -> AestheticPredictor:
        """Encoder and head. Raises `SetupError`."""
        from datagen.models.aesthetics.predictor import aesthetic_predictor

        return aesthetic_predictor(self, device=device)


class AestheticV25Config(PlacedConfig):
    """Aesthetic Predictor V2.5: five linear layers on SigLIP embeddings of length 1.

    Its weights are one file of discus0434/aesthetic-predictor-v2-5 on GitHub,
    `aesthetic_predictor_v2_5.pth`. By its authors 5.5 and above is great; no other predictor's bound fits it.
    """

    kind: Literal["aesthetic_v2_5"] = "aesthetic_v2_5"
    license: ClassVar[str] = "AGPL-3.0-only"
    encoder: Siglip2Config = Siglip2Config(weights="google/siglip-so400m-patch14-384", commit=_SIGLIP_COMMIT)
    """The SigLIP model."""

    def load(self, device: str) -> AestheticPredictor:
        """Encoder and head. Raises `SetupError`."""
        from datagen.models.aesthetics.predictor import aesthetic_predictor

        return aesthetic_predictor(self, device=device)


PredictorConfig = Annotated[LaionV1Config | LaionV2Config | AestheticV25Config, pydantic.Field(discriminator="kind")]
"""Every kind of predictor, told apart by `kind`."""
