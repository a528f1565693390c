"""Dense encoders: features of each place of a picture."""

from __future__ import annotations

from typing import Annotated

import pydantic

from datagen.models.dense_encoders.convolutional import TimmFeaturesConfig
from datagen.models.dense_encoders.efficientnet_lite import EfficientNetLiteConfig
from datagen.models.dense_encoders.open_clip_patches import OpenClipPatchesConfig
from datagen.models.dense_encoders.vit_patches import ClipPatchesConfig, Dinov2PatchesConfig

DenseEncoderConfig = Annotated[
    ClipPatchesConfig | Dinov2PatchesConfig | OpenClipPatchesConfig | TimmFeaturesConfig | EfficientNetLiteConfig,
    pydantic.Field(discriminator="kind"),
]
"""Every kind of dense encoder; `kind` selects one."""
