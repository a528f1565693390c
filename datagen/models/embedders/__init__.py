"""Image embedders: one vector per picture; similar pictures have similar vectors."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.dense_encoders.convolutional import TimmFeaturesConfig
from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig
from datagen.models.embedders.dino import DinoConfig, Dinov2Config
from datagen.models.scorers.clip import ClipConfig, Siglip2Config
from datagen.models.scorers.open_clip import OpenClipConfig

EmbedderConfig = Annotated[
    DinoConfig
    | Dinov2Config
    | ClipConfig
    | Siglip2Config
    | OpenClipConfig
    | TimmFeaturesConfig
    | EfficientNetLiteConfig,
    pydantic.Field(discriminator="kind"),
]
"""Every kind of embedder; `kind` selects one. Image-text scorers and convolutional networks embed pictures too."""
